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
                foreach (NewToken token in step.Tokens)
                    if (token.Request.Output!.Stream.Append(token))
                        finish(token.Request);
                step.Tokens.Clear();
                pool.Return(step);
            }
        }
        catch (Exception failure)
        {
            // The channel was completed with what killed the engine, or text could not be made: both end every request.
            error = failure.Message;
        }
        foreach (OutputStream stream in _streams.Values)
            stream.Finish(error is null ? FinishReason.Abort : FinishReason.Error, error);
    }
}
