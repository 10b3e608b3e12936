using System.Diagnostics;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Threading;

/// <summary>Tests that measure the process's processor time: no others run beside them.</summary>
[CollectionDefinition(nameof(ProcessorTime), DisableParallelization = true)]
public sealed class ProcessorTime;

[Collection(nameof(ProcessorTime))]
public sealed class WorkerTeamIdleTests
{
    [Fact]
    public void Idle_UsesNoProcessorTime()
    {
        using var team = new WorkerTeam(4);
        team.BeginStep();
        team.ParallelFor(4, _ => { });
        Thread.Sleep(100);

        // The runtime works in the background too, so the quietest of several windows counts.
        double best = double.MaxValue;
        for (int i = 0; i < 20 && best > 0.2; i++)
        {
            var clock = Stopwatch.StartNew();
            TimeSpan before = Environment.CpuUsage.TotalTime;
            Thread.Sleep(50);
            best = Math.Min(best, (Environment.CpuUsage.TotalTime - before) / clock.Elapsed);
        }

        Assert.True(best < 0.5, $"{best:P0} of a core while idle");
    }
}
