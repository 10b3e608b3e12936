namespace Vllm.Engine.Sampling;

/// <summary>The steps that change a row of logits before a token is chosen, in vLLM's order. Each costs the number of
/// tokens that it names, except the allow list, which has to write the row.</summary>
static class LogitsProcessors
{
    /// <summary>allowed tokens → bad words → min tokens → logit bias → the user's own → penalties.</summary>
    /// <param name="row">The request.</param>
    /// <param name="logits">[vocabSize], changed in place.</param>
    /// <param name="scratch">[vocabSize], any content.</param>
    public static void Apply(SamplerRow row, Span<float> logits, Span<float> scratch)
    {
        ApplyAllowedTokens(row, logits, scratch);
        ApplyBadWords(row, logits);
        ApplyMinTokens(row, logits);
        ApplyLogitBias(row, logits);
        ApplyCustom(row, logits);
        ApplyPenalties(row, logits);
    }

    internal static void ApplyAllowedTokens(SamplerRow row, Span<float> logits, Span<float> scratch)
    {
        if (row.AllowedTokenIds is not { } allowed) return;
        logits.CopyTo(scratch);
        logits.Fill(float.NegativeInfinity);
        foreach (int id in allowed) logits[id] = scratch[id];
    }

    internal static void ApplyBadWords(SamplerRow row, Span<float> logits)
    {
        foreach (int[] word in row.BadWords)
            if (row.Request.OutputTokenIds.EndsWith(word.AsSpan(0, word.Length - 1)))
                logits[word[^1]] = float.NegativeInfinity;
    }

    internal static void ApplyMinTokens(SamplerRow row, Span<float> logits)
    {
        if (row.Request.NumOutputTokens >= row.Params.MinTokens) return;
        foreach (int id in row.MinTokensStopIds) logits[id] = float.NegativeInfinity;
    }

    internal static void ApplyLogitBias(SamplerRow row, Span<float> logits)
    {
        foreach ((int id, float bias) in row.LogitBias) logits[id] += bias;
    }

    static void ApplyCustom(SamplerRow row, Span<float> logits)
    {
        if (row.Custom.Length == 0) return;
        ReadOnlySpan<int> tokenIds = row.Request.TokenIds;
        int numPromptTokens = row.Request.NumPromptTokens;
        var context = new LogitsContext(tokenIds[..numPromptTokens], tokenIds[numPromptTokens..], row.Params);
        foreach (LogitsProcessor processor in row.Custom) processor.Process(context, logits);
    }

    internal static void ApplyPenalties(SamplerRow row, Span<float> logits)
    {
        if (row.CountTokens() is not { } counts) return;
        ReadOnlySpan<int> ids = counts.TokenIds, outputCounts = counts.OutputCounts;
        float repetition = row.Params.RepetitionPenalty, frequency = row.Params.FrequencyPenalty;
        for (int i = 0; i < ids.Length; i++)
        {
            // A prompt may hold ids beside the vocabulary (placeholders of images).
            if ((uint)ids[i] >= (uint)logits.Length) continue;
            float logit = logits[ids[i]];
            logit = logit > 0 ? logit / repetition : logit * repetition;
            logit -= frequency * outputCounts[i];
            logits[ids[i]] = outputCounts[i] > 0 ? logit - row.Params.PresencePenalty : logit;
        }
    }
}
