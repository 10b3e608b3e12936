namespace Vllm.Kernels.Cpu.Attention;

/// <summary>One call of <see cref="AttentionKernel"/>: shapes and pointers that every worker reads. The <i>rows</i> of a
/// request and KV head are its (token, query head of the group) pairs, token by token.</summary>
unsafe struct AttentionJob
{
    public Tensor Q, Output;
    public int* QueryStart, SeqLens, BlockTables;
    public int NumSeqs, MaxBlocksPerSeq;
    public int NumKvHeads, GroupSize, HeadDim;

    /// <summary>Dims and columns of the layout, see <see cref="PagedKvCache"/>.</summary>
    public int Dims, Columns;
    public int BlockSize, ElementBytes;
    public byte* Keys;
    public nint ChunkBytes, ValuesOffset;

    /// <summary>How elements are coded in 8 bits; null when they are not.</summary>
    public KvCode? Code;

    /// <summary>Factor that makes scores powers of two.</summary>
    public float QueryScale;

    /// <summary>Bound of the scores as such powers; 0 = none.</summary>
    public float SoftCap;

    /// <summary>[numHeads] slopes and sinks of <see cref="AttentionParameters"/>, or null.</summary>
    public float* AlibiSlopes, Sinks;

    /// <summary>Tokens a token sees, itself included.</summary>
    public int Window;

    /// <summary>Bytes of a pair row of values: the same 4 or 8 per dim for bf16 and fp32.</summary>
    public readonly nint ValueRowBytes => (nint)2 * Dims * ElementBytes;

    /// <summary>Whether tiles must be copied together because 16 tokens may lie in several blocks.</summary>
    public readonly bool IsGathered => BlockSize % TileKernel.SubTokens != 0;

    /// <summary>Whether the tile kernel reads a copy of the tile, not the cache.</summary>
    public readonly bool IsCopied => IsGathered || Code is not null;

    public readonly int NumRows(int request) => (QueryStart[request + 1] - QueryStart[request]) * GroupSize;

    /// <summary>Absolute position of a row's token.</summary>
    public readonly int Position(int request, int row) =>
        SeqLens[request] - (QueryStart[request + 1] - QueryStart[request]) + row / GroupSize;

    /// <summary>Query head of a row.</summary>
    public readonly int Head(int kvHead, int row) => kvHead * GroupSize + row % GroupSize;

    /// <summary>First position that a token at a position sees.</summary>
    public readonly int FirstVisible(int position) => Math.Max(0, position - Window + 1);

    /// <summary>Keys of a block and KV head.</summary>
    public readonly byte* Chunk(int block, int kvHead) => Keys + ((nint)block * NumKvHeads + kvHead) * ChunkBytes;
}
