using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>The host's part of a <see cref="PagedKvCache"/>: [numBlocks, numLayers, numKvHeads] chunks, those of
/// <see cref="PagedKvCache"/> or of <see cref="Int8KvChunk"/>.</summary>
sealed unsafe class PagedHostKvCache(HostKvCacheSpec spec) : HostKvCache(spec)
{
    readonly NativeBuffer _pool = new(PoolBytes(spec));

    /// <summary>The first head's chunk of a block.</summary>
    public byte* Chunks(int layer, int block) =>
        (byte*)_pool.Address + ((nint)block * Spec.Cache.NumLayers + layer) * LayerBytes;

    /// <summary>Bytes of one layer of a block.</summary>
    public nint LayerBytes { get; } = (nint)(spec.BlockBytes / spec.Cache.NumLayers);

    static long PoolBytes(HostKvCacheSpec spec)
    {
        if (spec.Format == HostKvFormat.Int8PerTokenHead && spec.Cache.DType is not (DType.BF16 or DType.F32))
            throw new ArgumentException($"{spec.Format} of {spec.Cache.DType}: only BF16 and F32 are converted", nameof(spec));
        return checked(spec.BlockBytes * spec.NumBlocks);
    }

    public override void Dispose() => _pool.Dispose();
}
