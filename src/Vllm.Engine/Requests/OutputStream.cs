using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Vllm.Engine.Execution;

namespace Vllm.Engine.Requests;

/// <summary>Between the output processor and the reader of one request. A slow reader finds the tokens joined into one
/// output: what waits is never more than the answer itself.</summary>
sealed class OutputStream(string requestId, IReadOnlyList<int> promptTokenIds, OutputKind kind)
{
    readonly Channel<bool> _news = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    readonly Lock _gate = new();
    IReadOnlyList<TokenLogprobs?>? _promptLogprobs;
    int _numCachedTokens;
    string? _error;

    public string RequestId { get; } = requestId;

    /// <summary>The request's sequences; complete before the first token.</summary>
    public List<Request> Requests { get; } = [];

    /// <summary>Sequences that the engine thread has ended; its own count.</summary>
    public int NumEnded { get; set; }

    /// <summary>A token of one of the sequences. True when a stop string ended it.</summary>
    public bool Append(in NewToken token)
    {
        lock (_gate)
        {
            if (token.PromptLogprobs is { } logprobs)
                _promptLogprobs = [null, .. logprobs.Select(position => position.ToTokenLogprobs())];
            _numCachedTokens = token.NumCachedTokens;
            bool stopped = token.Request.Output!.Append(token);
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
