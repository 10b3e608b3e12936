using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Engine.Sampling;

/// <summary>Reads the values of a token and of others from a row of logits.</summary>
sealed class LogprobsGatherer(SamplerScratch scratch, SamplingKernels kernels)
{
    /// <summary>The values of a token and of the <paramref name="numTop"/> largest; -1 = all.</summary>
    public SampledLogprobs GatherTop(ReadOnlySpan<float> logits, int tokenId, int numTop, bool isLogits)
    {
        int count = numTop < 0 ? logits.Length : Math.Min(numTop, logits.Length);
        var ids = new int[1 + count];
        float max = kernels.BlockMaxima(logits, scratch.BlockMaxima);
        WriteTop(logits, ids.AsSpan(1));
        return Read(logits, max, tokenId, ids, isLogits);
    }

    /// <summary>The values of <paramref name="tokenId"/> and of <paramref name="others"/>.</summary>
    public SampledLogprobs Gather(ReadOnlySpan<float> logits, int tokenId, ReadOnlySpan<int> others, bool isLogits) =>
        Read(logits, kernels.BlockMaxima(logits, scratch.BlockMaxima), tokenId, [tokenId, .. others], isLogits);

    SampledLogprobs Read(ReadOnlySpan<float> logits, float max, int tokenId, int[] ids, bool isLogits)
    {
        ids[0] = tokenId;
        // Two subtractions as in the reference's log-softmax, so that the ranks see the same roundings.
        float logSum = isLogits ? 0 : (float)Math.Log(kernels.SumExp(logits, max, 1, scratch.BlockSums));
        if (isLogits) max = 0;
        var values = new float[ids.Length];
        for (int i = 0; i < ids.Length; i++) values[i] = logits[ids[i]] - max - logSum;
        return new SampledLogprobs(ids, values, kernels.CountAtLeast(logits, max, logSum, values[0]));
    }

    /// <summary>The ids of the largest logits in descending order, lower ids first among equals; the block maxima are
    /// in the scratch.</summary>
    void WriteTop(ReadOnlySpan<float> logits, Span<int> top)
    {
        if (top.IsEmpty) return;
        float cut = float.MinValue;
        if (top.Length <= scratch.BlockMaxima.Length)
            cut = Math.Max(cut, kernels.KthLargest(scratch.BlockMaxima, top.Length));
        int count = kernels.Collect(logits, scratch.BlockMaxima, cut, scratch.Values, scratch.Ids);

        Span<ulong> keys = scratch.SortKeys.AsSpan(0, count);
        for (int i = 0; i < count; i++) keys[i] = SortKey(scratch.Values[i], scratch.Ids[i]);
        keys.Sort();
        int written = Math.Min(count, top.Length);
        for (int i = 0; i < written; i++) top[i] = (int)(uint)keys[i];
        // More asked for than the row has: minus infinities and NaNs.
        for (int id = 0; written < top.Length; id++)
            if (!(logits[id] >= float.MinValue))
                top[written++] = id;
    }

    /// <summary>Ascending keys are descending values, then ascending ids.</summary>
    static ulong SortKey(float value, int id)
    {
        int bits = BitConverter.SingleToInt32Bits(value + 0f); // + 0: -0 equals 0
        uint descending = bits < 0 ? (uint)bits : (uint)(bits ^ int.MaxValue);
        return (ulong)descending << 32 | (uint)id;
    }
}
