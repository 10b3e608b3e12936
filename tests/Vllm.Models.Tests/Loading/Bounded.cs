using System.Diagnostics;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

static class Bounded
{
    const long MaxAllocatedBytes = 100 << 20;
    static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2);

    /// <summary>Runs a load that may be refused, within 100 MB and 2 s; any other exception passes through.</summary>
    public static ModelLoadException? Run(Action load)
    {
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        ModelLoadException? refusal = null;
        try
        {
            load();
        }
        catch (ModelLoadException exception)
        {
            refusal = exception;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocatedBefore, 0, MaxAllocatedBytes);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, MaxTime);
        return refusal;
    }
}
