using System.Runtime.InteropServices;
using System.Threading.Channels;
using Vllm.Engine.Execution;
using Vllm.Engine.KvCache;
using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine;

/// <summary>
/// The engine's loop. One thread owns scheduler, KV cache and running requests; requests, aborts and resets enter
/// through a channel, tokens leave through another. READ THIS FIRST. A step:
/// (1) take what has arrived; (2) schedule; (3) run the model and sample; (4) append the tokens, end what is finished;
/// (5) hand the tokens out.
/// </summary>
sealed class EngineCore : IDisposable
{
    readonly Channel<EngineCommand> _commands =
        Channel.CreateUnbounded<EngineCommand>(new UnboundedChannelOptions { SingleReader = true });
    readonly Scheduler _scheduler;
    readonly ModelRunner _runner;
    readonly ChannelWriter<StepTokens> _tokens;
    readonly StepTokensPool _pool;
    readonly EngineMetrics _metrics;
    readonly TimeProvider _clock;
    readonly Thread _thread;
    readonly List<Request> _finished = []; // in the step under way
    Exception? _failure;

    /// <param name="scheduler">Owned by the loop from now on.</param>
    /// <param name="runner">Owned by the loop from now on.</param>
    /// <param name="tokens">Where each step's tokens go; completed when the loop ends.</param>
    /// <param name="pool">Where the reader puts them back.</param>
    /// <param name="metrics">Told of each step.</param>
    /// <param name="clock">Time of the metrics.</param>
    public EngineCore(
        Scheduler scheduler, ModelRunner runner, ChannelWriter<StepTokens> tokens, StepTokensPool pool,
        EngineMetrics metrics, TimeProvider clock)
    {
        _scheduler = scheduler;
        _runner = runner;
        _tokens = tokens;
        _pool = pool;
        _metrics = metrics;
        _clock = clock;
        _thread = new Thread(Loop) { IsBackground = true, Name = "vllm engine" };
        _thread.Start();
    }

    /// <summary>What killed the loop; null while it lives.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>False when the engine has ended.</summary>
    public bool TryAdd(Request request) => _commands.Writer.TryWrite(new EngineCommand.Add(request));

    /// <summary>Ends a request from outside: a client that went away, or a stop string.</summary>
    public void Finish(Request request, FinishReason reason) =>
        _commands.Writer.TryWrite(new EngineCommand.Finish(request, reason));

    public Task<bool> ResetPrefixCacheAsync(bool resetRunning, bool resetExternal)
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_commands.Writer.TryWrite(new EngineCommand.ResetPrefixCache(resetRunning, resetExternal, done))) done.SetResult(false);
        return done.Task;
    }

    /// <summary>Ends the loop after the step under way and waits for it.</summary>
    public void Dispose()
    {
        _commands.Writer.TryComplete();
        _thread.Join();
    }

    void Loop()
    {
        try
        {
            while (TakeCommands())
            {
                if (_scheduler.HasRequests) Step();
            }
        }
        catch (Exception failure)
        {
            // The boundary of the engine thread: whatever broke, every request must hear of it.
            Volatile.Write(ref _failure, failure);
            _commands.Writer.TryComplete();
        }
        _tokens.Complete(_failure);
    }

    /// <summary>(1) Applies what has arrived; sleeps while there is nothing to do. False when the engine is to end.</summary>
    bool TakeCommands()
    {
        while (true)
        {
            while (_commands.Reader.TryRead(out EngineCommand? command)) Apply(command);
            if (_scheduler.HasRequests) return !_commands.Reader.Completion.IsCompleted;
            RecordStep(0, 0); // the gauges of an idle engine
            _scheduler.CheckIntegrity();
            if (!_commands.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult()) return false;
        }
    }

    void Apply(EngineCommand command)
    {
        switch (command)
        {
            case EngineCommand.Add add:
                _scheduler.Add(add.Request);
                break;
            case EngineCommand.Finish finish:
                _scheduler.Finish(finish.Request.Id, finish.Reason);
                break;
            case EngineCommand.ResetPrefixCache reset:
                reset.Done.SetResult(_scheduler.ResetPrefixCache(reset.ResetRunning, reset.ResetExternal));
                break;
        }
    }

    void Step()
    {
        SchedulerOutput step = _scheduler.Schedule();                      // (2)
        RecordStart(step);
        SamplerOutput sampled = _runner.Execute(step);                     // (3)
        EndFailed(step, sampled);
        _finished.Clear();
        _scheduler.Update(step, sampled.TokenIds, _finished);              // (4)
        StepTokens tokens = _pool.Rent();                                  // (5)
        tokens.Fill(step, sampled, _clock.GetTimestamp());
        if (!_tokens.TryWrite(tokens)) _pool.Return(tokens);
    }

    /// <summary>Whose sampling failed fails alone: the others' tokens are as good as ever.</summary>
    void EndFailed(SchedulerOutput step, SamplerOutput sampled)
    {
        int row = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(step.Scheduled))
            if (scheduled.ProducesToken && sampled.Errors[row++] is not null)
                _scheduler.Finish(scheduled.Request.Id, FinishReason.Error);
    }

    void RecordStart(SchedulerOutput step)
    {
        long now = _clock.GetTimestamp();
        int numPrompt = 0;
        int numSampled = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(step.Scheduled))
        {
            Request request = scheduled.Request;
            if (request.FirstScheduledTime == 0) request.FirstScheduledTime = now;
            numPrompt += Math.Clamp(request.NumPromptTokens - scheduled.NumComputedTokens, 0, scheduled.NumTokens);
            if (scheduled.ProducesToken) numSampled++;
        }
        RecordStep(numPrompt, numSampled);
    }

    void RecordStep(int numPromptTokens, int numSampledTokens)
    {
        PrefixCacheStats prefix = _scheduler.KvCache.PrefixCacheStats;
        _metrics.RecordStep(new StepStats
        {
            NumRunning = _scheduler.NumRunning,
            NumWaiting = _scheduler.NumWaiting,
            KvCacheUsage = _scheduler.KvCache.Usage,
            NumPromptTokens = numPromptTokens,
            NumSampledTokens = numSampledTokens,
            NumPreemptions = _scheduler.NumPreemptions,
            PrefixCacheQueries = prefix.NumQueriedTokens,
            PrefixCacheHits = prefix.NumHitTokens,
            HostTier = _scheduler.KvCache.HostTierStats,
        });
    }
}

/// <summary>What the engine thread is asked to do.</summary>
abstract record EngineCommand
{
    public sealed record Add(Request Request) : EngineCommand;

    public sealed record Finish(Request Request, FinishReason Reason) : EngineCommand;

    public sealed record ResetPrefixCache(bool ResetRunning, bool ResetExternal, TaskCompletionSource<bool> Done)
        : EngineCommand;
}
