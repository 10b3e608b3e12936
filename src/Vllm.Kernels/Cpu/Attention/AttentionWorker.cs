using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>What one worker needs to do units of an <see cref="AttentionPlan"/>: scratch memory and the loop over tiles.</summary>
sealed unsafe class AttentionWorker : IDisposable
{
    const int MaxGroups = RowBlock.MaxRows / TileKernel.MaxRows;
    const float Log2E = 1.44269504f;

    /// <summary>Rows of a unit that one tile step takes.</summary>
    struct RowGroup
    {
        public int FirstRow, NumRows;
        public int FirstPosition, LastPosition;

        /// <summary>First positions that the first and the last row see.</summary>
        public int FirstVisible, LastFirstVisible;
    }

    readonly NativeBuffer _arguments = new(sizeof(TileArguments));
    readonly NativeBuffer _groups = new(MaxGroups * sizeof(RowGroup));
    readonly NativeBuffer _softmax = new(MaxGroups * sizeof(SoftmaxState));
    readonly TileFinder _finder = new();
    NativeBuffer _queries = new(0);  // [RowBlock.MaxRows] packed rows
    NativeBuffer _partials = new(0); // [2] partial results: the running one and the current segment's

    TileArguments* Arguments => (TileArguments*)_arguments.Address;

    RowGroup* Groups => (RowGroup*)_groups.Address;

    SoftmaxState* Softmax => (SoftmaxState*)_softmax.Address;

    byte* Queries => (byte*)_queries.Address;

    /// <summary>Grows the scratch memory to what a call needs.</summary>
    public void Reserve(in AttentionJob job, TileKernel kernel)
    {
        _finder.Reserve(job);
        Grow(ref _queries, RowBlock.MaxRows * kernel.QueryRowBytes);
        Grow(ref _partials, 2L * AttentionPartial.NumFloats(RowBlock.MaxRows, job.Dims) * sizeof(float));
    }

    static void Grow(ref NativeBuffer buffer, long sizeBytes)
    {
        if (buffer.SizeBytes >= sizeBytes) return;
        buffer.Dispose();
        buffer = new NativeBuffer(sizeBytes);
    }

    /// <summary>Does a unit. The results of its rows are complete when all units of these rows are done.</summary>
    public void Run(in AttentionJob job, in AttentionUnit unit, TileKernel kernel)
    {
        int numGroups = PrepareRows(job, unit, kernel);
        if (unit.Partials == null)
        {
            AttentionPartial total = Partial(job, unit, (float*)_partials.Address, 0);
            AttentionPartial next = Partial(job, unit, (float*)_partials.Address, 1);
            RunSegment(job, unit, unit.FirstSegment, kernel, numGroups, total);
            for (int segment = unit.FirstSegment + 1; segment < unit.EndSegment; segment++)
            {
                RunSegment(job, unit, segment, kernel, numGroups, next);
                total.Merge(next);
            }
            Finish(job, unit, total);
            return;
        }

        AttentionPartial first = Partial(job, unit, unit.Partials, 0);
        int index = unit.FirstSegment - unit.Rows.FirstSegment;
        RunSegment(job, unit, unit.FirstSegment, kernel, numGroups, Partial(job, unit, unit.Partials, index));
        // Whoever comes last merges, always in the order of the segments.
        if (Interlocked.Decrement(ref *unit.NumRemaining) != 0) return;
        for (int i = 1; i < unit.Rows.EndSegment - unit.Rows.FirstSegment; i++)
            first.Merge(Partial(job, unit, unit.Partials, i));
        Finish(job, unit, first);
    }

    static AttentionPartial Partial(in AttentionJob job, in AttentionUnit unit, float* partials, int index) =>
        new(partials + (nint)index * AttentionPartial.NumFloats(unit.Rows.NumRows, job.Dims), unit.Rows.NumRows, job.Dims);

    /// <summary>Packs the queries and cuts the rows into groups of nearly equal size.</summary>
    int PrepareRows(in AttentionJob job, in AttentionUnit unit, TileKernel kernel)
    {
        int numRows = unit.Rows.NumRows, request = unit.Rows.Request;
        for (int row = 0; row < numRows; row++)
            kernel.PackQuery(
                Row(job, unit, row, job.Q), job.HeadDim, job.QueryScale, Queries + (nint)row * kernel.QueryRowBytes);

        int numGroups = (numRows + TileKernel.MaxRows - 1) / TileKernel.MaxRows;
        for (int i = 0, row = 0; i < numGroups; row += Groups[i++].NumRows)
        {
            int groupRows = (numRows - row) / (numGroups - i);
            int firstPosition = job.Position(request, unit.Rows.FirstRow + row);
            int lastPosition = job.Position(request, unit.Rows.FirstRow + row + groupRows - 1);
            Groups[i] = new RowGroup
            {
                FirstRow = row,
                NumRows = groupRows,
                FirstPosition = firstPosition,
                LastPosition = lastPosition,
                FirstVisible = job.FirstVisible(firstPosition),
                LastFirstVisible = job.FirstVisible(lastPosition),
            };
        }
        return numGroups;
    }

    /// <summary>A unit's row in q or in the output.</summary>
    static float* Row(in AttentionJob job, in AttentionUnit unit, int row, Tensor tensor)
    {
        (int token, int head) = Math.DivRem(unit.Rows.FirstRow + row, job.GroupSize);
        return tensor.Float(job.QueryStart[unit.Rows.Request] + token)
            + (nint)(unit.KvHead * job.GroupSize + head) * job.HeadDim;
    }

    static void Finish(in AttentionJob job, in AttentionUnit unit, AttentionPartial total)
    {
        for (int row = 0; row < unit.Rows.NumRows; row++)
            total.Finish(row, Row(job, unit, row, job.Output), job.HeadDim, Sink(job, unit, row));
    }

    /// <summary>Without a sink: so low that its term is 0, but finite.</summary>
    static float Sink(in AttentionJob job, in AttentionUnit unit, int row) => job.Sinks == null
        ? TileKernel.NoMaximum
        : MathF.Max(job.Sinks[job.Head(unit.KvHead, unit.Rows.FirstRow + row)] * Log2E, TileKernel.NoMaximum);

    /// <summary>Attention of the unit's rows over one segment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void RunSegment(
        in AttentionJob job, in AttentionUnit unit, int segment, TileKernel kernel, int numGroups, AttentionPartial result)
    {
        NativeMemory.Clear(result.Outputs, (nuint)(unit.Rows.NumRows * job.Dims) * sizeof(float));
        for (int i = 0; i < numGroups; i++) Softmax[i].Reset();

        TileArguments* a = Arguments;
        int first = Math.Max(unit.Rows.FirstTile, segment * RowBlock.SegmentTiles);
        int end = Math.Min(unit.Rows.EndTile, (segment + 1) * RowBlock.SegmentTiles);
        int unitEnd = Math.Min(unit.Rows.EndTile, unit.EndSegment * RowBlock.SegmentTiles);
        bool isDirect = kernel.ReadsCodes;
        a->SoftCap = job.SoftCap;
        a->SoftCapFactor = job.SoftCap > 0 ? 2 * Log2E / job.SoftCap : 0;
        _finder.Find(job, unit, first, isDirect, a->Keys, a->Values, a->Scales);
        for (int tile = first; tile < end; tile++)
        {
            bool hasNext = tile + 1 < unitEnd && (isDirect || !job.IsCopied);
            if (hasNext) _finder.Find(job, unit, tile + 1, isDirect, a->NextKeys, a->NextValues, a->NextScales);
            for (int i = 0; i < numGroups; i++)
            {
                ref RowGroup group = ref Groups[i];
                if (!SeesTile(group, tile, out bool isMasked)) continue;
                if (isMasked) SetVisible(job, unit, group, tile);
                if (job.AlibiSlopes != null) SetSlopes(job, unit, group, tile);
                a->Queries = Queries + (nint)group.FirstRow * kernel.QueryRowBytes;
                a->Output = result.Outputs + (nint)group.FirstRow * job.Dims;
                a->Softmax = Softmax + i;
                kernel.Run(a, group.NumRows, isMasked, hasNext ? PrefetchOf(i, numGroups) : PrefetchLines.None);
            }
            if (hasNext) a->MoveToNext();
            else if (tile + 1 < end) _finder.Find(job, unit, tile + 1, isDirect, a->Keys, a->Values, a->Scales);
        }

        for (int i = 0; i < numGroups; i++)
            for (int row = 0; row < Groups[i].NumRows; row++)
            {
                result.Maxima[Groups[i].FirstRow + row] = Softmax[i].Maxima[SoftmaxState.MaximumIndex(row)];
                result.Sums[Groups[i].FirstRow + row] = Softmax[i].Sum(row);
            }
    }

    /// <summary>The first group to touch a tile prefetches the next; two groups share that, as with 8 query heads per KV
    /// head one group alone does not live long enough to fetch a tile.</summary>
    static PrefetchLines PrefetchOf(int group, int numGroups) =>
        numGroups == 1 ? PrefetchLines.All
        : group == 0 ? PrefetchLines.Even
        : group == 1 ? PrefetchLines.Odd
        : PrefetchLines.None;

    /// <summary>Whether a row of the group sees a token of the tile, and whether one does not see all of them.</summary>
    static bool SeesTile(in RowGroup group, int tile, out bool isMasked)
    {
        int start = tile * TileKernel.TileTokens, end = start + TileKernel.TileTokens;
        isMasked = group.FirstPosition < end - 1 || group.LastFirstVisible > start;
        return group.LastPosition >= start && group.FirstVisible < end;
    }

    /// <summary>Sets the tokens that each row sees.</summary>
    void SetVisible(in AttentionJob job, in AttentionUnit unit, in RowGroup group, int tile)
    {
        TileArguments* a = Arguments;
        int start = tile * TileKernel.TileTokens;
        for (int i = 0; i < group.NumRows; i++)
        {
            int position = job.Position(unit.Rows.Request, unit.Rows.FirstRow + group.FirstRow + i);
            a->FirstVisible[i] = Math.Clamp(job.FirstVisible(position) - start, 0, TileKernel.TileTokens);
            a->EndVisible[i] = Math.Clamp(position + 1 - start, 0, TileKernel.TileTokens);
        }
        a->FirstPair = a->FirstVisible[0] / 2;
        a->EndPair = (a->EndVisible[group.NumRows - 1] + 1) / 2;
    }

    /// <summary>Sets what each row's scores lose with distance.</summary>
    void SetSlopes(in AttentionJob job, in AttentionUnit unit, in RowGroup group, int tile)
    {
        for (int i = 0; i < group.NumRows; i++)
        {
            int row = unit.Rows.FirstRow + group.FirstRow + i;
            Arguments->AlibiSlopes[i] = job.AlibiSlopes[job.Head(unit.KvHead, row)] * Log2E;
            Arguments->AlibiOffsets[i] = tile * TileKernel.TileTokens - job.Position(unit.Rows.Request, row);
        }
    }

    public void Dispose()
    {
        _arguments.Dispose();
        _groups.Dispose();
        _softmax.Dispose();
        _finder.Dispose();
        _queries.Dispose();
        _partials.Dispose();
    }
}
