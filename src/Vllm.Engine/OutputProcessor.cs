using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Vllm.Engine.Execution;
using Vllm.Engine.Requests;

namespace Vllm.Engine;

/// <summary>Takes tokens from the engine thread, turns them into text, looks for stop strings, and wakes the readers.
/// Runs on a task of its own, so that a step never waits for text.</summary>
sealed class OutputProcessor(ChannelReader<StepTokens> tokens, StepTokensPool pool)
{
    readonly ConcurrentDictionary<string, OutputStream> _streams = new(StringComparer.Ordinal);

    /// <summary>Registers a request before its first token; false when its id is in use.</summary>
    public bool TryAdd(OutputStream stream) => _streams.TryAdd(stream.RequestId, stream);

    public void Remove(OutputStream stream) => _streams.TryRemove(stream.RequestId, out _);

    public bool TryGet(string requestId, [NotNullWhen(true)] out OutputStream? stream) =>
        _streams.TryGetValue(requestId, out stream);

    /// <summary>Processes until the engine ends; then ends what is left.</summary>
    /// <param name="finish">Tells the engine that a stop string ended a sequence.</param>
    public async Task RunAsync(Action<Request> finish)
    {
        string? error = null;
        try
        {
            await foreach (StepTokens step in tokens.ReadAllAsync().ConfigureAwait(false))
            {
                foreach (NewToken token in step.Tokens) Append(token, step.Time, finish);
                foreach (FailedRequest failed in step.Failed) failed.Request.Output!.Stream.Fail(failed.Request, failed.Error);
                step.Clear();
                pool.Return(step);
            }
        }
        catch (Exception failure)
        {
            error = failure.Message; // what killed the engine
        }
        foreach (OutputStream stream in _streams.Values)
            stream.Finish(error is null ? FinishReason.Abort : FinishReason.Error, error);
    }

    static void Append(in NewToken token, long time, Action<Request> finish)
    {
        OutputStream stream = token.Request.Output!.Stream;
        bool stopped;
        try
        {
            stopped = stream.Append(token, time);
        }
        catch (Exception e)
        {
            // One request's text must not cost the others theirs.
            stream.Fail(token.Request, e.Message);
            stopped = true;
        }
        if (stopped) finish(token.Request);
    }
}
