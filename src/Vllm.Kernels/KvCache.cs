namespace Vllm.Kernels;

/// <summary>Shape of a paged KV cache: every layer has <see cref="NumBlocks"/> blocks of <see cref="BlockSize"/> tokens.</summary>
/// <param name="NumLayers">Layers with keys and values of their own.</param>
/// <param name="NumBlocks">Blocks per layer; block 0 is the null block that padding points to.</param>
/// <param name="BlockSize">Tokens per block.</param>
/// <param name="NumKvHeads">Key/value heads.</param>
/// <param name="HeadDim">Elements per head.</param>
/// <param name="DType">Stored element type: BF16; F32 when computing in fp32; F8E4M3, F8E5M2 or I8 for half of BF16's
/// memory, less exact.</param>
public sealed record KvCacheSpec(int NumLayers, int NumBlocks, int BlockSize, int NumKvHeads, int HeadDim, DType DType)
{
    /// <summary>Elements stored per head: 16 dims are the step of the kernels.</summary>
    public int StoredHeadDim => (HeadDim + 15) & ~15;

    /// <summary>Tokens stored per block: values lie in pairs of tokens.</summary>
    public int StoredBlockSize => (BlockSize + 1) & ~1;

    /// <summary>Bytes that a token's keys or values of one head take, as stored.</summary>
    public int TokenBytes => StoredHeadDim * DType.SizeBytes() + (DType == DType.I8 ? sizeof(float) : 0);

    /// <summary>Bytes of one block over all layers, keys and values, as stored.</summary>
    public long BlockBytes => 2L * NumLayers * StoredBlockSize * NumKvHeads * TokenBytes;
}

/// <summary>Keys and values of all tokens in the cache, in a layout of the device's choice.</summary>
public abstract class KvCache(KvCacheSpec spec) : IDisposable
{
    public KvCacheSpec Spec { get; } = spec;

    public abstract void Dispose();
}
