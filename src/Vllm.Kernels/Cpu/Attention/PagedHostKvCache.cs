using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>The host's part of a <see cref="PagedKvCache"/>: [numBlocks, numLayers, numKvHeads] chunks, those of
/// <see cref="PagedKvCache"/> or of <see cref="Int8KvChunk"/>.</summary>
sealed unsafe class PagedHostKvCache(HostKvCacheSpec spec) : HostKvCache(spec)
{
    readonly NativeBuffer _pool = new(checked(spec.BlockBytes * spec.NumBlocks));

    /// <summary>The first head's chunk of a block.</summary>
    public byte* Chunks(int layer, int block) =>
        (byte*)_pool.Address + ((nint)block * Spec.Cache.NumLayers + layer) * LayerBytes;

    /// <summary>Bytes of one layer of a block.</summary>
    public nint LayerBytes { get; } = (nint)(spec.BlockBytes / spec.Cache.NumLayers);

    public override void Dispose() => _pool.Dispose();
}
