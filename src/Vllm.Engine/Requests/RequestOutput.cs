using Vllm.Engine.Requests;

namespace Vllm;

/// <summary>What a request has produced so far, or since the last output (see <see cref="OutputKind"/>).</summary>
public sealed record RequestOutput
{
    public required string RequestId { get; init; }

    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>Log-probabilities of the prompt's tokens, the first null; null when not asked for. Complete in the
    /// first output.</summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs { get; init; }

    /// <summary>One per sequence that has something new, at most <see cref="SamplingParams.N"/>.</summary>
    public required IReadOnlyList<CompletionOutput> Outputs { get; init; }

    /// <summary>Prompt tokens that came from the prefix cache.</summary>
    public required int NumCachedTokens { get; init; }

    /// <summary>Nothing follows.</summary>
    public required bool Finished { get; init; }

    /// <summary>Why the engine failed the request; null unless a finish reason is <see cref="FinishReason.Error"/>.</summary>
    public string? Error { get; init; }
}

/// <summary>One answer of a request.</summary>
public sealed record CompletionOutput
{
    /// <summary>0 … n - 1.</summary>
    public required int Index { get; init; }

    public required string Text { get; init; }

    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>One per token of <see cref="TokenIds"/>; null when not asked for.</summary>
    public IReadOnlyList<TokenLogprobs>? Logprobs { get; init; }

    /// <summary>Sum over all tokens of the answer; null when log-probabilities were not asked for.</summary>
    public double? CumulativeLogprob { get; init; }

    /// <summary>Null while it goes on.</summary>
    public FinishReason? FinishReason { get; init; }

    /// <summary>The stop string that ended the answer.</summary>
    public string? StopString { get; init; }

    /// <summary>The stop token id that ended the answer; null for the end-of-sequence token.</summary>
    public int? StopTokenId { get; init; }

    /// <summary>How long the answer took; with its last output, unless it ended before its first token.</summary>
    public RequestMetrics? Metrics { get; init; }
}

/// <summary>How long the stages of an answer took.</summary>
public sealed record RequestMetrics
{
    /// <summary>Submission to first step.</summary>
    public required TimeSpan QueueTime { get; init; }

    /// <summary>First step to first token.</summary>
    public required TimeSpan PrefillTime { get; init; }

    /// <summary>First token to last token.</summary>
    public required TimeSpan DecodeTime { get; init; }

    /// <summary>Submission to first token.</summary>
    public TimeSpan TimeToFirstToken => QueueTime + PrefillTime;

    /// <summary>Mean time per token after the first; zero when there is only one.</summary>
    public TimeSpan TimePerOutputToken => NumGenerationTokens > 1 ? DecodeTime / (NumGenerationTokens - 1) : TimeSpan.Zero;

    public required int NumGenerationTokens { get; init; }
}

/// <summary>Log-probabilities at one position: the sampled token first, then the best ones (the sampled one is not
/// repeated).</summary>
public sealed record TokenLogprobs(IReadOnlyList<TokenLogprob> Entries)
{
    /// <summary>Which of the entries the answer goes on with: the first, except in a beam search.</summary>
    public int TokenIndex { get; init; }

    /// <summary>The entry that the answer goes on with.</summary>
    public TokenLogprob Token => Entries[TokenIndex];
}

/// <param name="TokenId">The token.</param>
/// <param name="Logprob">Natural logarithm of its probability.</param>
/// <param name="Rank">1 = most likely.</param>
public readonly record struct TokenLogprob(int TokenId, float Logprob, int Rank);

/// <summary>What a stream of outputs carries.</summary>
public enum OutputKind
{
    /// <summary>Everything so far, each time.</summary>
    Cumulative,

    /// <summary>What is new.</summary>
    Delta,

    /// <summary>One output at the end.</summary>
    FinalOnly,
}
