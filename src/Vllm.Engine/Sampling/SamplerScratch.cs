using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Engine.Sampling;

/// <summary>The buffers one worker needs for a row, allocated once for the vocabulary.</summary>
sealed class SamplerScratch(int vocabSize)
{
    float[]? _savedLogits;
    ulong[]? _sortKeys;
    float[]? _cutScratch;

    public float[] BlockMaxima { get; } = new float[SamplingKernels.NumBlocks(vocabSize, SamplingKernels.MaximaBlock)];

    public float[] BlockSums { get; } = new float[SamplingKernels.NumBlocks(vocabSize, SamplingKernels.SumBlock)];

    /// <summary>0, 1, 2, … for the noise of the blocks.</summary>
    public int[] BlockNumbers { get; } =
        [.. Enumerable.Range(0, SamplingKernels.NumBlocks(vocabSize, SamplingKernels.SumBlock))];

    /// <summary>Values, ids, weights and noise of the candidates: one entry each, in the order of the ids.</summary>
    public float[] Values { get; } = new float[vocabSize];

    public int[] Ids { get; } = new int[vocabSize];

    public float[] Weights { get; } = new float[vocabSize];

    public float[] Noise { get; } = new float[vocabSize];

    /// <summary>[2, vocabSize], for cuts. Made when the first request asks for top-k or top-p.</summary>
    public float[] CutScratch => _cutScratch ??= new float[2 * vocabSize];

    /// <summary>A row as it was before processing. Made when the first request asks for logprobs.</summary>
    public float[] SavedLogits => _savedLogits ??= new float[vocabSize];

    public ulong[] SortKeys => _sortKeys ??= new ulong[vocabSize];
}
