namespace Vllm.Engine.Sampling;

/// <summary>What one step sampled. Belongs to the caller and is written again by the next step.</summary>
sealed class SamplerOutput(int maxNumSeqs)
{
    /// <summary>[numRows]: the token of each row.</summary>
    public int[] TokenIds { get; } = new int[maxNumSeqs];

    /// <summary>[numRows]: null for a row that asked for none. The objects are never written again.</summary>
    public SampledLogprobs?[] Logprobs { get; } = new SampledLogprobs?[maxNumSeqs];

    /// <summary>[numRows]: why a row got no token; null for all others.</summary>
    public Exception?[] Errors { get; } = new Exception?[maxNumSeqs];
}

/// <summary>The logprobs (or logits) reported for one position: the taken token first, then the most likely ones in
/// descending order, or the ones that were asked for.</summary>
/// <param name="TokenIds">[1 + number of others]; the taken token may occur again.</param>
/// <param name="Values">[1 + number of others].</param>
/// <param name="Rank">Number of tokens whose value is at least the taken token's.</param>
sealed record SampledLogprobs(int[] TokenIds, float[] Values, int Rank)
{
    /// <summary>As a response shows them: no token twice, the taken one in front with its own rank, the others with
    /// their place in the list.</summary>
    public IEnumerable<TokenLogprob> Entries()
    {
        yield return new TokenLogprob(TokenIds[0], Values[0], Rank);
        for (int i = 1; i < TokenIds.Length; i++)
            if (TokenIds[i] != TokenIds[0])
                yield return new TokenLogprob(TokenIds[i], Values[i], i);
    }

    /// <summary>The form that outputs carry.</summary>
    public TokenLogprobs ToTokenLogprobs() => new([.. Entries()]);
}
