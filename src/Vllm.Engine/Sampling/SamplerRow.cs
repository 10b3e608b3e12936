using Vllm.Engine.Requests;

namespace Vllm.Engine.Sampling;

/// <summary>
/// What the sampler keeps of one request, from its admission to its end: the parameters in the form the steps need,
/// the seed of its draws, and counts for the penalties. Made by <see cref="Sampler.CreateRow"/>; used by one thread at
/// a time.
/// </summary>
sealed class SamplerRow
{
    readonly TokenCounts? _counts;

    public SamplerRow(Request request, ulong seed, IReadOnlyList<int[]> badWords, IReadOnlyList<int> endTokenIds)
    {
        Request = request;
        Seed = seed;
        Params = request.SamplingParams.Normalize();
        AllowedTokenIds = Params.AllowedTokenIds is { } allowed ? [.. allowed] : null;
        BadWords = [.. badWords];
        MinTokensStopIds = Params.MinTokens > 0 ? [.. Params.StopTokenIds, .. endTokenIds] : [];
        LogitBias = Params.LogitBias is { } bias ? [.. bias] : [];
        LogprobTokenIds = Params.LogprobTokenIds is { Count: > 0 } ids ? [.. ids] : null;
        Custom = [.. request.LogitsProcessors];
        if (Params.HasPenalties) _counts = new TokenCounts();
    }

    public Request Request { get; }

    public SamplingParams Params { get; }

    /// <summary>Of the request or, without one, of the engine.</summary>
    public ulong Seed { get; }

    public int[]? AllowedTokenIds { get; }

    /// <summary>Token sequences whose last token is banned when the output ends with the others.</summary>
    public int[][] BadWords { get; }

    /// <summary>Banned before the output has its minimum length.</summary>
    public int[] MinTokensStopIds { get; }

    public KeyValuePair<int, float>[] LogitBias { get; }

    /// <summary>The user's own processors that have something to do here.</summary>
    public LogitsProcessor[] Custom { get; }

    /// <summary>Report these tokens' logprobs instead of those of the most likely ones.</summary>
    public int[]? LogprobTokenIds { get; }

    /// <summary>Tokens of the request so far, counted; null when there are no penalties.</summary>
    public TokenCounts? CountTokens()
    {
        _counts?.Update(Request.TokenIds, Request.NumPromptTokens);
        return _counts;
    }

    /// <summary>Some step before the draw may change this row's logits.</summary>
    public bool HasProcessors =>
        AllowedTokenIds is not null || BadWords.Length > 0 || MinTokensStopIds.Length > 0 || LogitBias.Length > 0
        || Custom.Length > 0 || _counts is not null;
}
