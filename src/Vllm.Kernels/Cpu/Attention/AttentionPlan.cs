using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Adjacent rows of a request and the tiles they see, [first, end).</summary>
struct RowBlock
{
    /// <summary>Most rows: 8 groups of 6 use a tile while it is in the L1 cache; best of 12 to 96 as measured on Zen 5.</summary>
    public const int MaxRows = 48;

    public const int SegmentTiles = AttentionPlan.SegmentTokens / TileKernel.TileTokens;

    public int Request, FirstRow, NumRows, FirstTile, EndTile;

    public readonly int FirstSegment => FirstTile / SegmentTiles;

    public readonly int EndSegment => (EndTile - 1) / SegmentTiles + 1;

    /// <summary>Tile steps.</summary>
    public readonly long Cost =>
        (long)(EndTile - FirstTile) * ((NumRows + TileKernel.MaxRows - 1) / TileKernel.MaxRows);
}

/// <summary>Work for one worker: a block of rows with one KV head over segments [first, end).</summary>
unsafe struct AttentionUnit
{
    public RowBlock Rows;
    public int KvHead;
    public int FirstSegment, EndSegment;

    /// <summary>Results of all segments of these rows, in order, when they are different units; else null.</summary>
    public float* Partials;

    /// <summary>How many of those are still to come.</summary>
    public int* NumRemaining;
}

/// <summary>
/// Splits a call into units: by request, KV head and block of rows, and where that leaves long units that would keep
/// one worker busy while others wait, also by segment. A segment is a range of absolute positions, and results of
/// segments are merged in order whether or not they were separate units: the split never shows in the result.
/// </summary>
sealed unsafe class AttentionPlan : IDisposable
{
    /// <summary>Positions of a segment. Shorter ones cost more merges and broken prefetches (256: a fifth more time);
    /// longer ones leave cores idle in the last part of a context.</summary>
    public const int SegmentTokens = 1024;

    /// <summary>A block of rows that takes more than this part of a worker's share is split by segments.</summary>
    const int UnitsPerWorker = 4;

    NativeBuffer _blocks = new(0);
    NativeBuffer _units = new(0);
    NativeBuffer _remaining = new(0);
    NativeBuffer _partials = new(0);

    public int NumUnits { get; private set; }

    public AttentionUnit* Units => (AttentionUnit*)_units.Address;

    /// <summary>Plans a call.</summary>
    public void Build(in AttentionJob job, int numWorkers)
    {
        // 1. Blocks of rows, and what all of them cost.
        int maxBlocks = 0;
        for (int request = 0; request < job.NumSeqs; request++)
            maxBlocks += (job.NumRows(request) + RowBlock.MaxRows - 1) / RowBlock.MaxRows;
        var blocks = (RowBlock*)Grow(ref _blocks, (long)maxBlocks * sizeof(RowBlock));
        int numBlocks = 0;
        long cost = 0;
        for (int request = 0; request < job.NumSeqs; request++)
            // The last rows see the most tokens: the longest units go first, so that the workers end together.
            for (int row = (job.NumRows(request) - 1) / RowBlock.MaxRows * RowBlock.MaxRows; row >= 0; row -= RowBlock.MaxRows)
            {
                RowBlock block = Block(job, request, row);
                if (block.NumRows == 0) continue;
                blocks[numBlocks++] = block;
                cost += block.Cost * job.NumKvHeads;
            }

        // 2. Which are split, and what that takes.
        long maxCost = cost / (UnitsPerWorker * numWorkers);
        int numUnits = 0, numSplit = 0;
        long partialFloats = 0;
        for (int i = 0; i < numBlocks; i++)
        {
            int numParts = NumParts(blocks[i], maxCost);
            numUnits += job.NumKvHeads * numParts;
            if (numParts == 1) continue;
            numSplit += job.NumKvHeads;
            partialFloats += (long)job.NumKvHeads * numParts * AttentionPartial.NumFloats(blocks[i].NumRows, job.Dims);
        }

        // 3. Units.
        Grow(ref _units, (long)numUnits * sizeof(AttentionUnit));
        var remaining = (int*)Grow(ref _remaining, numSplit * sizeof(int));
        var partials = (float*)Grow(ref _partials, partialFloats * sizeof(float));
        NumUnits = 0;
        for (int i = 0; i < numBlocks; i++)
        {
            int numParts = NumParts(blocks[i], maxCost);
            for (int head = 0; head < job.NumKvHeads; head++)
            {
                var unit = new AttentionUnit { Rows = blocks[i], KvHead = head };
                if (numParts == 1)
                {
                    Add(unit, blocks[i].FirstSegment, blocks[i].EndSegment);
                    continue;
                }
                unit.NumRemaining = remaining++;
                unit.Partials = partials;
                *unit.NumRemaining = numParts;
                partials += (nint)numParts * AttentionPartial.NumFloats(blocks[i].NumRows, job.Dims);
                for (int segment = blocks[i].FirstSegment; segment < blocks[i].EndSegment; segment++)
                    Add(unit, segment, segment + 1);
            }
        }
    }

    static RowBlock Block(in AttentionJob job, int request, int row)
    {
        int numRows = Math.Min(RowBlock.MaxRows, job.NumRows(request) - row);
        return new RowBlock
        {
            Request = request,
            FirstRow = row,
            NumRows = numRows,
            FirstTile = job.FirstVisible(job.Position(request, row)) / TileKernel.TileTokens,
            EndTile = job.Position(request, row + numRows - 1) / TileKernel.TileTokens + 1,
        };
    }

    static int NumParts(in RowBlock block, long maxCost) =>
        block.Cost > maxCost ? block.EndSegment - block.FirstSegment : 1;

    void Add(AttentionUnit unit, int firstSegment, int endSegment)
    {
        unit.FirstSegment = firstSegment;
        unit.EndSegment = endSegment;
        Units[NumUnits++] = unit;
    }

    static nint Grow(ref NativeBuffer buffer, long sizeBytes)
    {
        if (buffer.SizeBytes < sizeBytes)
        {
            buffer.Dispose();
            buffer = new NativeBuffer(sizeBytes * 3 / 2);
        }
        return buffer.Address;
    }

    public void Dispose()
    {
        _blocks.Dispose();
        _units.Dispose();
        _remaining.Dispose();
        _partials.Dispose();
    }
}
