using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>The host's part of a <see cref="PagedKvCache"/>: [numBlocks, numLayers, numKvHeads] chunks, those of
/// <see cref="PagedKvCache"/> or of <see cref="Int8KvChunk"/>.</summary>
sealed unsafe class PagedHostKvCache(HostKvCacheSpec spec) : HostKvCache(spec)
{
    readonly NativeBuffer _pool = new(checked(spec.BlockBytes * spec.NumBlocks));
    readonly nint _layerBytes = (nint)(spec.BlockBytes / spec.Cache.NumLayers);

    /// <summary>The first head's chunk of a block.</summary>
    public byte* Chunks(int layer, int block) =>
        (byte*)_pool.Address + ((nint)block * Spec.Cache.NumLayers + layer) * _layerBytes;

    /// <summary>Bytes of one layer of a block.</summary>
    public nint LayerBytes => _layerBytes;

    public override void Dispose() => _pool.Dispose();
}
