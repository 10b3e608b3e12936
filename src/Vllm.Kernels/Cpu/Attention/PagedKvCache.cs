using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// Keys and values of all layers in one pool. A <i>chunk</i> is what one block holds of one KV head: its keys, then its
/// values, both in <i>pair rows</i> as <see cref="IKvElement"/> stores them, so that a vector load gives a pair of
/// dims of consecutive tokens (keys) or a pair of tokens of consecutive dims (values):
/// <code>
/// chunk(layer, block, head) = pool + ((layer * numBlocks + block) * numKvHeads + head) * chunkBytes
/// BF16: K [D/2][B][2], V [B/2][D][2]      F32: K [D/2][2][B], V [B/2][2][D]
/// 8 bits: codes of <see cref="KvCode"/> in the order of BF16; I8: then scales [2][B] fp32, of keys and of values
/// D = StoredHeadDim, B = StoredBlockSize of the spec
/// </code>
/// The dims added by rounding are 0 and stay so. Writing the value of an even slot clears its odd neighbour, so that
/// nothing beyond a request's last token, whatever a previous owner of the block left there, reaches a result: a pair
/// that holds a visible token is finite, and other pairs are not read. All codes and scales of 8 bits are finite.
/// </summary>
public sealed unsafe class PagedKvCache : KvCache
{
    /// <summary>Far above any model's; what a head needs on the stack stays small.</summary>
    const int MaxHeadDim = 1 << 14;

    readonly NativeBuffer _pool;
    readonly nint _chunkBytes;

    public PagedKvCache(KvCacheSpec spec) : base(spec)
    {
        Code = KvCode.Of(spec.DType);
        if (Code is null && spec.DType is not (DType.BF16 or DType.F32))
            throw new ArgumentException(
                $"KV cache of {spec.DType}: the CPU stores BF16, F32, F8E4M3, F8E5M2 or I8", nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumLayers, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumBlocks, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.BlockSize, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.NumKvHeads, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfLessThan(spec.HeadDim, 1, nameof(spec));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(spec.HeadDim, MaxHeadDim, nameof(spec));
        Dims = spec.StoredHeadDim;
        Columns = spec.StoredBlockSize;
        _chunkBytes = (nint)2 * Columns * spec.TokenBytes;
        ValuesOffset = (nint)Dims * Columns * spec.DType.SizeBytes();
        _pool = new NativeBuffer((long)_chunkBytes * spec.NumKvHeads * spec.NumBlocks * spec.NumLayers);
    }

    /// <summary>D of the layout: stored dims per head.</summary>
    internal int Dims { get; }

    /// <summary>B of the layout: stored tokens per block.</summary>
    internal int Columns { get; }

    /// <summary>How elements are coded in 8 bits; null when they are not.</summary>
    internal KvCode? Code { get; }

    /// <summary>Keys of the first head of a block.</summary>
    internal byte* Keys(int layer, int block) =>
        (byte*)_pool.Address + ((nint)layer * Spec.NumBlocks + block) * Spec.NumKvHeads * _chunkBytes;

    /// <summary>From one head's keys to the next head's.</summary>
    internal nint ChunkBytes => _chunkBytes;

    /// <summary>From a head's keys to its values.</summary>
    internal nint ValuesOffset { get; }

    /// <summary>[2][B] scales of a chunk's keys and values; only where <see cref="KvCode.HasScales"/>.</summary>
    internal float* Scales(byte* chunk) => (float*)(chunk + 2 * ValuesOffset);

    public override void Dispose() => _pool.Dispose();
}
