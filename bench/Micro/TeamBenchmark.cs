using System.Diagnostics;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Micro;

/// <summary>What it costs to use the worker team, by itself and beside other processes that keep the machine busy.</summary>
static class TeamBenchmark
{
    const int NumBarriers = 10_000;

    /// <summary>A decode step of a small model: seven operations in each of 30 layers, half of them short.</summary>
    const int NumOperations = 210;

    const double ShortMicroseconds = 5, LongMicroseconds = 100;
    const double SecondsPerLoad = 3;

    public static void Run(int numThreads, int[] busyProcesses)
    {
        using var team = new WorkerTeam(numThreads);
        team.BeginStep();
        double forkJoin = Clock.Best(() => team.ParallelFor(team.NumWorkers, _ => { }));
        double barriers = Clock.Best(() => team.ParallelFor(team.NumWorkers, worker =>
        {
            for (int i = 0; i < NumBarriers; i++) team.Barrier(worker);
        }));
        Console.WriteLine($"{team.NumWorkers} threads: fork and join {forkJoin * 1e9:F0} ns, "
            + $"barrier {barriers / NumBarriers * 1e9:F0} ns");
        double ideal = NumOperations / 2 * (ShortMicroseconds + LongMicroseconds) / 1e3;
        Console.WriteLine($"steps of {NumOperations} operations, {ideal:F1} ms of work on each thread; ms");
        foreach (int numProcesses in busyProcesses) RunBeside(team, numProcesses);
    }

    static void RunBeside(WorkerTeam team, int numProcesses)
    {
        Process[] busy = [.. Enumerable.Range(0, numProcesses).Select(_ => Process.Start("sh", ["-c", "while :; do :; done"]))];
        try
        {
            long[] work = new long[2];
            for (int i = 0; i < 2; i++) work[i] = NumRoundsFor(i == 0 ? ShortMicroseconds : LongMicroseconds);
            Action<int>[] operations = [.. work.Select(rounds => (Action<int>)(_ => Compute(rounds)))];
            var steps = new List<double>();
            var all = Stopwatch.StartNew();
            while (all.Elapsed.TotalSeconds < SecondsPerLoad)
            {
                long start = Stopwatch.GetTimestamp();
                team.BeginStep();
                for (int i = 0; i < NumOperations; i++) team.ParallelFor(team.NumWorkers, operations[i % 2]);
                steps.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            steps.Sort();
            Console.WriteLine($"  beside {numProcesses} busy processes: median {steps[steps.Count / 2]:F1}, "
                + $"p90 {steps[steps.Count * 9 / 10]:F1}, best {steps[0]:F1}, mean {steps.Average():F1} of {steps.Count}");
        }
        finally
        {
            foreach (Process process in busy)
            {
                process.Kill();
                process.Dispose();
            }
        }
    }

    static long NumRoundsFor(double microseconds)
    {
        const long Rounds = 10_000;
        return (long)(Rounds * microseconds / 1e6 / Clock.Best(() => Compute(Rounds)));
    }

    static double Compute(long numRounds)
    {
        double x = 1;
        for (long i = 0; i < numRounds; i++) x = x * 0.999 + 0.5;
        return x;
    }
}
