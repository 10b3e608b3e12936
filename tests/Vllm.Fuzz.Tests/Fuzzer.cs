using System.Diagnostics;
using System.Globalization;

namespace Vllm.Tests;

/// <summary>Feeds mutated inputs to a reader. An input may be taken or refused with the reader's own exceptions; any
/// other exception, more time or more memory than allowed is a failure, and a crash ends the run.
/// <c>VLLM_FUZZ_INPUTS</c> sets the number of inputs, <c>VLLM_FUZZ_SEED</c> the first one's seed: input i of a run has
/// seed + i.</summary>
static class Fuzzer
{
    const int DefaultNumInputs = 100_000;
    const int MaxReportedFailures = 5;

    /// <summary>An input that takes this long would hold a server's thread noticeably; the machine may be busy.</summary>
    static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(10);

    static readonly int NumInputs = Setting("VLLM_FUZZ_INPUTS", DefaultNumInputs);
    static readonly int FirstSeed = Setting("VLLM_FUZZ_SEED", 1);

    /// <param name="mutator">Makes the inputs.</param>
    /// <param name="read">The reader; returns when it takes the input.</param>
    /// <param name="isRefusal">Whether an exception is the reader's way to refuse an input.</param>
    /// <param name="maxAllocatedBytes">Most memory that an input may cost.</param>
    /// <param name="share">Inputs relative to other readers', where one takes much longer.</param>
    public static void Run(
        Mutator mutator, Action<byte[]> read, Func<Exception, bool> isRefusal, long maxAllocatedBytes, double share = 1)
    {
        var failures = new List<string>();
        int numTaken = 0;
        int numInputs = (int)(NumInputs * share);
        for (int i = 0; i < numInputs && failures.Count < MaxReportedFailures; i++)
        {
            int seed = FirstSeed + i;
            byte[] input = mutator.Next(new Random(seed));
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            try
            {
                read(input);
                numTaken++;
            }
            catch (Exception e) when (isRefusal(e)) { }
            catch (Exception e)
            {
                failures.Add($"seed {seed}: {e}");
            }
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (time > MaxTime || allocated > maxAllocatedBytes)
                failures.Add($"seed {seed}: took {time.TotalSeconds:F1} s and {allocated:N0} bytes");
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
        // A run that refuses everything tests little, one that takes everything is no fuzzing.
        Assert.InRange(numTaken, 1, numInputs - 1);
        TestContext.Current.SendDiagnosticMessage($"{numInputs} inputs, {numTaken} taken");
    }

    static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
