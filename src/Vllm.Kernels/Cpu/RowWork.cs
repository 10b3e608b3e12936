using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu;

/// <summary>Splits an operation whose rows are independent over a <see cref="WorkerTeam"/>.</summary>
static unsafe class RowWork
{
    /// <summary>Elements below which the caller does all the work: some 2 µs by estimate, so that handing half of it
    /// to another core gains more than two cache-line transfers and the moved data cost.</summary>
    const int MinSharedElements = 16 * 1024;

    /// <summary>Runs body(state, worker, numWorkers), on the calling thread alone if there is little to do.</summary>
    public static void Run(
        WorkerTeam team, int numRows, int elementsPerRow, delegate*<void*, int, int, void> body, void* state)
    {
        if (numRows < 2 || (long)numRows * elementsPerRow < MinSharedElements) body(state, 0, 1);
        else team.Run(body, state);
    }
}
