using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Vllm.Engine.Execution;
using Vllm.Engine.Metrics;

namespace Vllm.Engine.Requests;

/// <summary>Between the output processor and the reader of one request. A slow reader finds the tokens joined into one
/// output: what waits is never more than the answer itself.</summary>
/// <param name="requestId">The caller's id.</param>
/// <param name="promptTokenIds">The prompt as it runs.</param>
/// <param name="kind">What an output carries.</param>
/// <param name="metrics">Told of tokens and ends.</param>
/// <param name="clock">Of the timestamps.</param>
/// <param name="arrivalTime">When the request was submitted.</param>
/// <param name="onFirstToken">Called once, under the stream's lock.</param>
sealed class OutputStream(
    string requestId, IReadOnlyList<int> promptTokenIds, OutputKind kind, EngineMetrics metrics, TimeProvider clock,
    long arrivalTime, Action? onFirstToken = null)
{
    readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    readonly Lock _gate = new();
    Action? _onFirstToken = onFirstToken;
    IReadOnlyList<TokenLogprobs?>? _promptLogprobs;
    int _numCachedTokens;
    string? _error;

    public string RequestId { get; } = requestId;

    /// <summary>The request's sequences; complete before the first token.</summary>
    public List<Request> Requests { get; } = [];

    public EngineMetrics Metrics => metrics;

    public TimeProvider Clock => clock;

    public long ArrivalTime => arrivalTime;

    public int NumPromptTokens => promptTokenIds.Count;

    /// <summary>A token of one of the sequences, made at <paramref name="time"/>. True when a stop string ended
    /// it.</summary>
    public bool Append(in NewToken token, long time)
    {
        lock (_gate)
        {
            if (token.PromptLogprobs is { } logprobs)
                _promptLogprobs = [null, .. logprobs.Select(position => position.ToTokenLogprobs())];
            _numCachedTokens = token.NumCachedTokens;
            _onFirstToken?.Invoke();
            _onFirstToken = null;
            bool stopped = token.Request.Output!.Append(token, time);
            if (kind != OutputKind.FinalOnly || IsFinished) _news.Writer.TryWrite(true);
            return stopped;
        }
    }

    /// <summary>Ends what has not ended, for instance because the engine died.</summary>
    public void Finish(FinishReason reason, string? error = null)
    {
        lock (_gate)
        {
            if (IsFinished) return;
            _error = error;
            foreach (Request request in Requests) request.Output!.Finish(reason);
            _news.Writer.TryWrite(true);
        }
    }

    /// <summary>Ends one sequence that the engine could not go on with.</summary>
    public void Fail(Request request, string error)
    {
        lock (_gate)
        {
            if (request.Output!.FinishReason is not null) return;
            _error ??= error;
            request.Output.Finish(FinishReason.Error);
            _news.Writer.TryWrite(true);
        }
    }

    /// <summary>Tokens of the longest answer, once all have ended; else null. Under the lock.</summary>
    public int? LongestGeneration => IsFinished ? Requests.Max(request => request.Output!.NumTokens) : null;

    /// <summary>Outputs as they come; the last has <see cref="RequestOutput.Finished"/>.</summary>
    public async IAsyncEnumerable<RequestOutput> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            await _news.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            RequestOutput output = Take();
            yield return output;
            if (output.Finished) yield break;
        }
    }

    bool IsFinished => Requests.All(request => request.Output!.FinishReason is not null);

    RequestOutput Take()
    {
        lock (_gate)
        {
            var outputs = new List<CompletionOutput>(1);
            foreach (Request request in Requests)
                if (request.Output!.Take() is { } output)
                    outputs.Add(output);
            return new RequestOutput
            {
                RequestId = RequestId,
                PromptTokenIds = promptTokenIds,
                PromptLogprobs = _promptLogprobs,
                Outputs = outputs,
                NumCachedTokens = _numCachedTokens,
                Finished = IsFinished,
                Error = _error,
            };
        }
    }
}
