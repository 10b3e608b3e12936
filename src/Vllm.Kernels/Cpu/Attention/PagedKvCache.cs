using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// Keys and values of all layers in one pool. A <i>chunk</i> is what one block holds of one KV head: its keys, then its
/// values, both in <i>pair rows</i> as <see cref="IKvElement"/> stores them, so that a vector load gives a pair of
/// dims of consecutive tokens (keys) or a pair of tokens of consecutive dims (values):
/// <code>
/// chunk(layer, block, head) = pool + ((layer * numBlocks + block) * numKvHeads + head) * chunkBytes
/// BF16: K [D/2][B][2], V [B/2][D][2]      F32: K [D/2][2][B], V [B/2][2][D]
/// D = StoredHeadDim, B = StoredBlockSize of the spec
/// </code>
/// The dims added by rounding are 0 and stay so. Writing the value of an even slot clears its odd neighbour, so that
/// nothing beyond a request's last token, whatever a previous owner of the block left there, reaches a result: a pair
/// that holds a visible token is finite, and other pairs are not read.
/// </summary>
public sealed unsafe class PagedKvCache : KvCache
{
    readonly NativeBuffer _pool;
    readonly nint _chunkBytes;

    public PagedKvCache(KvCacheSpec spec) : base(spec)
    {
        if (spec.DType is not (DType.BF16 or DType.F32))
            throw new ArgumentException($"KV cache of {spec.DType}: the CPU stores BF16 or F32", nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumLayers, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumBlocks, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.BlockSize, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumKvHeads, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.HeadDim, 1, nameof(spec));
        Dims = spec.StoredHeadDim;
        Columns = spec.StoredBlockSize;
        _chunkBytes = (nint)2 * Dims * Columns * spec.DType.SizeBytes();
        _pool = new NativeBuffer((long)_chunkBytes * spec.NumKvHeads * spec.NumBlocks * spec.NumLayers);
    }

    /// <summary>D of the layout: stored dims per head.</summary>
    internal int Dims { get; }

    /// <summary>B of the layout: stored tokens per block.</summary>
    internal int Columns { get; }

    /// <summary>Keys of the first head of a block.</summary>
    internal byte* Keys(int layer, int block) =>
        (byte*)_pool.Address + ((nint)layer * Spec.NumBlocks + block) * Spec.NumKvHeads * _chunkBytes;

    /// <summary>From one head's keys to the next head's.</summary>
    internal nint ChunkBytes => _chunkBytes;

    /// <summary>From a head's keys to its values.</summary>
    internal nint ValuesOffset => _chunkBytes / 2;

    public override void Dispose() => _pool.Dispose();
}
