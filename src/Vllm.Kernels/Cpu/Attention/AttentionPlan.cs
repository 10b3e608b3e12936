using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>One call of <see cref="AttentionKernel"/>: shapes and pointers that every worker reads. The rows of a
/// request and KV head are its (token, query head of the group) pairs, token by token.</summary>
unsafe struct AttentionJob
{
    public Tensor Q, Output;
    public int* QueryStart, SeqLens, BlockTables;
    public int NumSeqs, MaxBlocksPerSeq;
    public int NumKvHeads, GroupSize, HeadDim, Dims;
    public int BlockSize, Columns, ValuePairRowBytes, KeyPairRowBytes;
    public byte* Keys;
    public nint ChunkBytes, ValuesOffset;
    public float QueryScale;

    /// <summary>Tokens a token sees, itself included.</summary>
    public int Window;

    public readonly int NumRows(int request) => (QueryStart[request + 1] - QueryStart[request]) * GroupSize;

    /// <summary>Absolute position of a row's token.</summary>
    public readonly int Position(int request, int row) =>
        SeqLens[request] - (QueryStart[request + 1] - QueryStart[request]) + row / GroupSize;

    /// <summary>First position that a token at a position sees.</summary>
    public readonly int FirstVisible(int position) => Math.Max(0, position - Window + 1);
}

/// <summary>Work for one worker: a block of rows of one request and KV head against a range of segments.</summary>
unsafe struct AttentionUnit
{
    public int Request, KvHead, FirstRow, NumRows;

    /// <summary>[first, end) of the segments to do.</summary>
    public int FirstSegment, EndSegment;

    /// <summary>Partial results of all segments of these rows when they are different units; else null.</summary>
    public float* Partials;

    /// <summary>First and number of segments in <see cref="Partials"/>, and how many of them are still to come.</summary>
    public int FirstPartial, NumPartials;
    public int* NumRemaining;
}

/// <summary>
/// Splits a call into units: by request, KV head and block of rows, and where that leaves long units that would keep
/// one worker busy while others wait, also by segment. A segment is a range of absolute positions, and results of
/// segments are merged in order whether or not they were separate units: the split never shows in the result.
/// </summary>
sealed unsafe class AttentionPlan : IDisposable
{
    /// <summary>Rows of a unit: 8 groups of 6 use a tile while it is in the L1 cache; measured best of 12 to 96.</summary>
    public const int RowBlock = 48;

    /// <summary>Positions of a segment: 256 costs merges and prefetches, measured; more leaves cores idle longer.</summary>
    public const int SegmentTokens = 1024;

    /// <summary>A unit of more than this part of a worker's share is split.</summary>
    const int UnitsPerWorker = 4;

    NativeBuffer _units = new(0);
    NativeBuffer _remaining = new(0);
    NativeBuffer _partials = new(0);

    public int NumUnits { get; private set; }

    public AttentionUnit* Units => (AttentionUnit*)_units.Address;

    /// <summary>Floats of the partial result of one segment: outputs, maxima and sums of the rows.</summary>
    public static int PartialFloats(int numRows, int dims) => numRows * dims + 2 * RowBlock;

    public void Build(in AttentionJob job, int numWorkers)
    {
        long cost = 0, partialFloats = 0;
        int numUnits = 0, numSplit = 0;
        for (int request = 0; request < job.NumSeqs; request++)
            for (int row = 0; row < job.NumRows(request); row += RowBlock)
                cost += job.NumKvHeads * Cost(job, request, row);
        long maxCost = Math.Max(1, cost / (UnitsPerWorker * numWorkers));

        for (int request = 0; request < job.NumSeqs; request++)
            for (int row = 0; row < job.NumRows(request); row += RowBlock)
            {
                int numSegments = NumSegments(job, request, row);
                bool isSplit = numSegments > 1 && Cost(job, request, row) > maxCost;
                numUnits += job.NumKvHeads * (isSplit ? numSegments : 1);
                if (!isSplit) continue;
                numSplit += job.NumKvHeads;
                partialFloats += (long)job.NumKvHeads * numSegments * PartialFloats(RowsAt(job, request, row), job.Dims);
            }

        Grow(ref _units, (long)numUnits * sizeof(AttentionUnit));
        Grow(ref _remaining, numSplit * sizeof(int));
        Grow(ref _partials, partialFloats * sizeof(float));
        NumUnits = 0;
        var remaining = (int*)_remaining.Address;
        var partials = (float*)_partials.Address;
        for (int request = 0; request < job.NumSeqs; request++)
            // The last rows see the most tokens: the longest units go first, so that the workers end together.
            for (int row = (job.NumRows(request) - 1) / RowBlock * RowBlock; row >= 0; row -= RowBlock)
                for (int head = 0; head < job.NumKvHeads; head++)
                    Add(job, request, head, row, maxCost, ref remaining, ref partials);
    }

    void Add(in AttentionJob job, int request, int head, int row, long maxCost, ref int* remaining, ref float* partials)
    {
        int numRows = RowsAt(job, request, row);
        if (numRows <= 0) return;
        int numSegments = NumSegments(job, request, row);
        int firstSegment = FirstTile(job, request, row) * TileKernel.TileTokens / SegmentTokens;
        var unit = new AttentionUnit
        {
            Request = request, KvHead = head, FirstRow = row, NumRows = numRows,
            FirstSegment = firstSegment, EndSegment = firstSegment + numSegments,
        };
        if (numSegments == 1 || Cost(job, request, row) <= maxCost)
        {
            Units[NumUnits++] = unit;
            return;
        }
        unit.Partials = partials;
        unit.FirstPartial = firstSegment;
        unit.NumPartials = numSegments;
        unit.NumRemaining = remaining;
        *remaining++ = numSegments;
        partials += (long)numSegments * PartialFloats(numRows, job.Dims);
        for (int segment = firstSegment; segment < firstSegment + numSegments; segment++)
        {
            unit.FirstSegment = segment;
            unit.EndSegment = segment + 1;
            Units[NumUnits++] = unit;
        }
    }

    static int RowsAt(in AttentionJob job, int request, int row) => Math.Min(RowBlock, job.NumRows(request) - row);

    static int FirstTile(in AttentionJob job, int request, int row) =>
        job.FirstVisible(job.Position(request, row)) / TileKernel.TileTokens;

    static int EndTile(in AttentionJob job, int request, int row) =>
        job.Position(request, row + RowsAt(job, request, row) - 1) / TileKernel.TileTokens + 1;

    static int NumSegments(in AttentionJob job, int request, int row)
    {
        const int SegmentTiles = SegmentTokens / TileKernel.TileTokens;
        return (EndTile(job, request, row) - 1) / SegmentTiles - FirstTile(job, request, row) / SegmentTiles + 1;
    }

    /// <summary>Tile steps of a unit.</summary>
    static long Cost(in AttentionJob job, int request, int row) =>
        (long)(EndTile(job, request, row) - FirstTile(job, request, row))
        * ((RowsAt(job, request, row) + TileKernel.MaxRows - 1) / TileKernel.MaxRows);

    static void Grow(ref NativeBuffer buffer, long sizeBytes)
    {
        if (buffer.SizeBytes >= sizeBytes) return;
        buffer.Dispose();
        buffer = new NativeBuffer(sizeBytes * 3 / 2);
    }

    public void Dispose()
    {
        _units.Dispose();
        _remaining.Dispose();
        _partials.Dispose();
    }
}
