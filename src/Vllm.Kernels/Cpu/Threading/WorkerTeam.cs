using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.Threading;

/// <summary>
/// A fixed team of threads that run one body together; the caller is worker 0. Between runs that follow
/// each other closely the workers spin (a fork and join costs about 0.15 µs); without work they park and use no CPU.
/// Nothing is allocated by a run.
/// One thread at a time may start runs, and a body may not start another.
/// </summary>
/// <remarks>
/// Protocol: the caller raises the epoch of <c>go</c>; each worker runs the body and writes that epoch to its
/// <c>done</c>. Inside a body, <see cref="Barrier"/> counts up the worker's <c>arrived</c> and waits for the others'.
/// A worker whose body threw sets its <c>arrived</c> far ahead, so that the others pass their barriers and end too.
/// </remarks>
public sealed unsafe class WorkerTeam : IDisposable
{
    /// <summary>More barriers than one run has; counts wrap around, so only differences are compared.</summary>
    const int FarAhead = 1 << 30;

    readonly Thread[] _threads;
    readonly Signal* _go;
    readonly Signal* _done;     // [NumWorkers]
    readonly Signal* _arrived;  // [NumWorkers]
    int _epoch;
    bool _isRunning;
    bool _isDisposed;
    delegate*<void*, int, int, void> _body;
    void* _state;
    Action<int>? _action;
    int _numActions;
    ExceptionDispatchInfo? _failure;

    /// <param name="numWorkers">Threads, the caller's included; at least 1.</param>
    public WorkerTeam(int numWorkers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numWorkers, 1);
        NumWorkers = numWorkers;
        nuint sizeBytes = (nuint)((2 * numWorkers + 1) * sizeof(Signal));
        _go = (Signal*)NativeMemory.AlignedAlloc(sizeBytes, (nuint)sizeof(Signal));
        NativeMemory.Clear(_go, sizeBytes);
        _done = _go + 1;
        _arrived = _done + numWorkers;
        _threads = new Thread[numWorkers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => WorkerLoop(worker)) { IsBackground = true, Name = $"vllm worker {worker}" };
            _threads[i].Start();
        }
    }

    public int NumWorkers { get; }

    /// <summary>Runs body(state, worker, numWorkers) on every worker and returns when all are done. The first exception
    /// of a body is thrown here, after all have ended.</summary>
    internal void Run(delegate*<void*, int, int, void> body, void* state)
    {
        Begin();
        _body = body;
        _state = state;
        RunOnAll();
    }

    /// <summary>Runs body(i) for every i in [0, num), in contiguous shares.</summary>
    public void ParallelFor(int num, Action<int> body)
    {
        Begin();
        _action = body;
        _numActions = num;
        try
        {
            RunOnAll();
        }
        finally
        {
            _action = null;
        }
    }

    /// <summary>Called by a body on every worker equally often: returns when all workers have called it, and what they
    /// wrote before is visible.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Barrier(int worker)
    {
        if (NumWorkers == 1) return;
        int count = _arrived[worker].Value + 1;
        Signal.Post(&_arrived[worker], count);
        for (int other = 0; other < NumWorkers; other++)
        {
            int value;
            while ((value = Volatile.Read(ref _arrived[other].Value)) - count < 0)
                Signal.Wait(&_arrived[other], value);
        }
    }

    /// <summary>Wakes the workers, so that they are ready when the first run comes.</summary>
    public void BeginStep() => Signal.Wake(_go);

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        Signal.Post(_go, ++_epoch);
        foreach (Thread thread in _threads) thread.Join();
        NativeMemory.AlignedFree(_go);
    }

    void Begin()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_isRunning) throw new InvalidOperationException("the worker team runs another body");
        _isRunning = true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void RunOnAll()
    {
        int epoch = ++_epoch;
        Signal.Post(_go, epoch);
        RunShare(0);
        for (int worker = 1; worker < NumWorkers; worker++)
        {
            int value;
            while ((value = Volatile.Read(ref _done[worker].Value)) != epoch)
                Signal.Wait(&_done[worker], value);
        }

        _isRunning = false;
        if (_failure is not null) ThrowFailure();
    }

    void WorkerLoop(int worker)
    {
        for (int epoch = 0; ;)
        {
            Signal.Wait(_go, epoch);
            epoch = Volatile.Read(ref _go->Value);
            if (_isDisposed) return;
            RunShare(worker);
            Signal.Post(&_done[worker], epoch);
        }
    }

    void RunShare(int worker)
    {
        try
        {
            if (_action is { } action)
            {
                (int first, int end) = Share(_numActions, worker, NumWorkers);
                for (int i = first; i < end; i++) action(i);
            }
            else
            {
                _body(_state, worker, NumWorkers);
            }
        }
        catch (Exception exception) // thrown again by the caller, in ThrowFailure
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
            Signal.Post(&_arrived[worker], _arrived[worker].Value + FarAhead);
        }
    }

    void ThrowFailure()
    {
        ExceptionDispatchInfo failure = _failure!;
        _failure = null;
        for (int worker = 0; worker < NumWorkers; worker++) _arrived[worker].Value = 0;
        failure.Throw();
    }

    /// <summary>The worker's contiguous share of num items: [first, end).</summary>
    internal static (int First, int End) Share(int num, int worker, int numWorkers) =>
        ((int)((long)num * worker / numWorkers), (int)((long)num * (worker + 1) / numWorkers));
}
