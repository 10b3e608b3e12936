using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Micro;

/// <summary>What it costs to use the worker team.</summary>
static class TeamBenchmark
{
    const int NumBarriers = 10_000;

    public static void Run(int numThreads)
    {
        using var team = new WorkerTeam(numThreads);
        team.BeginStep();
        double forkJoin = Clock.Best(() => team.ParallelFor(team.NumWorkers, _ => { }));
        double barriers = Clock.Best(() => team.ParallelFor(team.NumWorkers, worker =>
        {
            for (int i = 0; i < NumBarriers; i++) team.Barrier(worker);
        }));
        team.EndStep();
        Console.WriteLine($"{team.NumWorkers} threads: fork and join {forkJoin * 1e9:F0} ns, "
            + $"barrier {barriers / NumBarriers * 1e9:F0} ns");
    }
}
