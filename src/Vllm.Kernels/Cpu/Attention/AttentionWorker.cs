using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Simd;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>What one worker needs to do units of an <see cref="AttentionPlan"/>: scratch memory and the loop over tiles.</summary>
sealed unsafe class AttentionWorker : IDisposable
{
    const int SegmentTiles = AttentionPlan.SegmentTokens / TileKernel.TileTokens;
    const int MaxGroups = AttentionPlan.RowBlock / TileKernel.MaxRows;

    readonly NativeBuffer _arguments = new(sizeof(TileArguments));
    readonly NativeBuffer _softmax = new(MaxGroups * sizeof(SoftmaxState));
    NativeBuffer _queries = new(0);   // [RowBlock] packed rows
    NativeBuffer _partials = new(0);  // [2] partial results: the running one and the current segment's
    NativeBuffer _gathered = new(0);  // one tile of keys and values, for block sizes that are no multiple of 16

    TileArguments* Arguments => (TileArguments*)_arguments.Address;

    SoftmaxState* Softmax => (SoftmaxState*)_softmax.Address;

    /// <summary>Grows the scratch memory; not in the hot path.</summary>
    public void Reserve(int queryRowBytes, int dims)
    {
        Grow(ref _queries, AttentionPlan.RowBlock * queryRowBytes);
        Grow(ref _partials, 2 * AttentionPlan.PartialFloats(AttentionPlan.RowBlock, dims) * sizeof(float));
        Grow(ref _gathered, 2 * TileKernel.TileTokens * dims * sizeof(float));
    }

    static void Grow(ref NativeBuffer buffer, long sizeBytes)
    {
        if (buffer.SizeBytes >= sizeBytes) return;
        buffer.Dispose();
        buffer = new NativeBuffer(sizeBytes);
    }

    public void Run(in AttentionJob job, in AttentionUnit unit, TileKernel kernel)
    {
        PackQueries(job, unit, kernel);
        int partialFloats = AttentionPlan.PartialFloats(unit.NumRows, job.Dims);
        if (unit.Partials == null)
        {
            var total = (float*)_partials.Address;
            RunSegment(job, unit, unit.FirstSegment, kernel, total);
            for (int segment = unit.FirstSegment + 1; segment < unit.EndSegment; segment++)
            {
                RunSegment(job, unit, segment, kernel, total + partialFloats);
                Merge(total, total + partialFloats, unit.NumRows, job.Dims);
            }
            Finish(job, unit, total);
            return;
        }
        RunSegment(job, unit, unit.FirstSegment, kernel,
            unit.Partials + (nint)(unit.FirstSegment - unit.FirstPartial) * partialFloats);
        // Whoever comes last merges, always in the order of the segments.
        if (Interlocked.Decrement(ref *unit.NumRemaining) != 0) return;
        for (int i = 1; i < unit.NumPartials; i++)
            Merge(unit.Partials, unit.Partials + (nint)i * partialFloats, unit.NumRows, job.Dims);
        Finish(job, unit, unit.Partials);
    }

    void PackQueries(in AttentionJob job, in AttentionUnit unit, TileKernel kernel)
    {
        for (int i = 0; i < unit.NumRows; i++)
            kernel.PackQuery(RowOf(job, unit, i, job.Q), job.HeadDim, job.QueryScale,
                (byte*)_queries.Address + (nint)i * kernel.QueryRowBytes);
    }

    /// <summary>A unit's row in q or in the output.</summary>
    static float* RowOf(in AttentionJob job, in AttentionUnit unit, int i, Tensor tensor)
    {
        (int token, int head) = Math.DivRem(unit.FirstRow + i, job.GroupSize);
        return tensor.Float(job.QueryStart[unit.Request] + token)
            + (nint)(unit.KvHead * job.GroupSize + head) * job.HeadDim;
    }

    /// <summary>Attention of the unit's rows over one segment. The result is [numRows, dims] unnormalized outputs, then
    /// the rows' maxima, then their sums.</summary>
    void RunSegment(in AttentionJob job, in AttentionUnit unit, int segment, TileKernel kernel, float* partial)
    {
        int n = unit.NumRows, numGroups = (n + TileKernel.MaxRows - 1) / TileKernel.MaxRows;
        int groupRows = (n + numGroups - 1) / numGroups; // even shares
        int lastTile = job.Position(unit.Request, unit.FirstRow + n - 1) / TileKernel.TileTokens;
        int firstTile = job.FirstVisible(job.Position(unit.Request, unit.FirstRow)) / TileKernel.TileTokens;
        int first = Math.Max(firstTile, segment * SegmentTiles);
        int end = Math.Min(lastTile + 1, (segment + 1) * SegmentTiles);

        NativeMemory.Clear(partial, (nuint)(n * job.Dims) * sizeof(float));
        for (int group = 0; group < numGroups; group++) Softmax[group].Reset();
        TileArguments* a = Arguments;
        for (int tile = first; tile < end; tile++)
        {
            SetTile(job, unit, tile, a->Keys, a->Values);
            bool hasNext = tile + 1 < Math.Min(lastTile + 1, unit.EndSegment * SegmentTiles)
                && job.BlockSize % TileKernel.SubTokens == 0;
            if (hasNext) SetTile(job, unit, tile + 1, a->NextKeys, a->NextValues);
            for (int group = 0; group < numGroups; group++)
            {
                int row = group * groupRows, numRows = Math.Min(groupRows, n - row);
                if (numRows <= 0 || !SetVisible(job, unit, tile, row, numRows, out bool isMasked)) continue;
                a->Queries = (byte*)_queries.Address + (nint)row * kernel.QueryRowBytes;
                a->Output = partial + (nint)row * job.Dims;
                a->Softmax = Softmax + group;
                kernel.Run(a, numRows, isMasked, hasNext ? Prefetch(group, numGroups) : PrefetchLines.None);
            }
        }
        for (int i = 0; i < n; i++)
        {
            (int group, int row) = Math.DivRem(i, groupRows);
            Maxima(partial, n, job.Dims)[i] = Softmax[group].Maxima[SoftmaxState.MaximumIndex(row)];
            Sums(partial, n, job.Dims)[i] = Softmax[group].Sum(row);
        }
    }

    static PrefetchLines Prefetch(int group, int numGroups) =>
        numGroups == 1 ? PrefetchLines.All
        : group == 0 ? PrefetchLines.Even
        : group == 1 ? PrefetchLines.Odd
        : PrefetchLines.None;

    static float* Maxima(float* partial, int numRows, int dims) => partial + (nint)numRows * dims;

    static float* Sums(float* partial, int numRows, int dims) => Maxima(partial, numRows, dims) + AttentionPlan.RowBlock;

    /// <summary>Sets the visible ranges of a group's rows. False if no row sees a token of the tile.</summary>
    bool SetVisible(in AttentionJob job, in AttentionUnit unit, int tile, int row, int numRows, out bool isMasked)
    {
        int start = tile * TileKernel.TileTokens;
        int firstPosition = job.Position(unit.Request, unit.FirstRow + row);
        int lastPosition = job.Position(unit.Request, unit.FirstRow + row + numRows - 1);
        isMasked = firstPosition < start + TileKernel.TileTokens - 1 || job.FirstVisible(lastPosition) > start;
        if (lastPosition < start || job.FirstVisible(firstPosition) >= start + TileKernel.TileTokens) return false;
        if (!isMasked) return true;
        TileArguments* a = Arguments;
        for (int i = 0; i < numRows; i++)
        {
            int position = job.Position(unit.Request, unit.FirstRow + row + i);
            a->FirstVisible[i] = Math.Clamp(job.FirstVisible(position) - start, 0, TileKernel.TileTokens);
            a->EndVisible[i] = Math.Clamp(position + 1 - start, 0, TileKernel.TileTokens);
        }
        a->FirstPair = a->FirstVisible[0] / 2;
        a->EndPair = (a->EndVisible[numRows - 1] + 1) / 2;
        return true;
    }

    /// <summary>Finds the keys and values of a tile. Those of 16 tokens beyond the request's end point to its last
    /// tokens: they are never visible, but their addresses must be readable.</summary>
    void SetTile(in AttentionJob job, in AttentionUnit unit, int tile, long* keys, long* values)
    {
        if (job.BlockSize % TileKernel.SubTokens != 0)
        {
            GatherTile(job, unit, tile, keys, values);
            return;
        }
        int* table = job.BlockTables + (nint)unit.Request * job.MaxBlocksPerSeq;
        int lastSub = (job.SeqLens[unit.Request] - 1) / TileKernel.SubTokens;
        for (int i = 0; i < TileKernel.TileTokens / TileKernel.SubTokens; i++)
        {
            int token = Math.Min(tile * (TileKernel.TileTokens / TileKernel.SubTokens) + i, lastSub) * TileKernel.SubTokens;
            (int index, int column) = Math.DivRem(token, job.BlockSize);
            byte* chunk = Chunk(job, unit, table[index]);
            keys[i] = (long)(chunk + column * 4);
            values[i] = (long)(chunk + job.ValuesOffset + (nint)(column / 2) * job.ValuePairRowBytes);
        }
    }

    static byte* Chunk(in AttentionJob job, in AttentionUnit unit, int block) =>
        job.Keys + ((nint)block * job.NumKvHeads + unit.KvHead) * job.ChunkBytes;

    /// <summary>Copies a tile from blocks of any size into one block of <see cref="TileKernel.TileTokens"/>; invisible
    /// tokens become 0. Slow, but block sizes that need it serve tests, not speed.</summary>
    void GatherTile(in AttentionJob job, in AttentionUnit unit, int tile, long* keys, long* values)
    {
        const int T = TileKernel.TileTokens;
        int* table = job.BlockTables + (nint)unit.Request * job.MaxBlocksPerSeq;
        int elementBytes = job.ValuePairRowBytes / job.Dims / 2;
        nint tileBytes = (nint)T * job.Dims * elementBytes;
        var gathered = (byte*)_gathered.Address;
        NativeMemory.Clear(gathered, (nuint)(2 * tileBytes));
        int visibleFrom = job.FirstVisible(job.Position(unit.Request, unit.FirstRow));
        for (int t = Math.Max(0, visibleFrom - tile * T); t < Math.Min(T, job.SeqLens[unit.Request] - tile * T); t++)
        {
            (int index, int column) = Math.DivRem(tile * T + t, job.BlockSize);
            byte* chunk = Chunk(job, unit, table[index]);
            for (int d = 0; d < job.Dims; d++)
            {
                Copy(chunk + PairElement(d, column, job.Columns, elementBytes),
                    gathered + PairElement(d, t, T, elementBytes), elementBytes);
                Copy(chunk + job.ValuesOffset + PairElement(column, d, job.Dims, elementBytes),
                    gathered + tileBytes + PairElement(t, d, job.Dims, elementBytes), elementBytes);
            }
        }
        for (int i = 0; i < T / TileKernel.SubTokens; i++)
        {
            keys[i] = (long)(gathered + i * TileKernel.SubTokens * 4);
            values[i] = (long)(gathered + tileBytes + (nint)i * (TileKernel.SubTokens / 2) * job.ValuePairRowBytes);
        }
    }

    /// <summary>Offset of an element in pair rows (see <see cref="IKvElement"/>).</summary>
    static nint PairElement(int row, int column, int numColumns, int elementBytes) =>
        elementBytes == 2
            ? ((nint)(row / 2) * numColumns + column) * 4 + row % 2 * 2
            : ((nint)row * numColumns + column) * 4;

    static void Copy(byte* source, byte* destination, int numBytes)
    {
        if (numBytes == 2) *(ushort*)destination = *(ushort*)source;
        else *(uint*)destination = *(uint*)source;
    }

    /// <summary>total = total and part, as one softmax over both.</summary>
    static void Merge(float* total, float* part, int numRows, int dims)
    {
        for (int i = 0; i < numRows; i++)
        {
            float* m = Maxima(total, numRows, dims) + i, sum = Sums(total, numRows, dims) + i;
            float partMaximum = Maxima(part, numRows, dims)[i], newMaximum = MathF.Max(*m, partMaximum);
            float factor = FloatMath.Exp2(new Float1(*m - newMaximum)).Value;
            float partFactor = FloatMath.Exp2(new Float1(partMaximum - newMaximum)).Value;
            *m = newMaximum;
            *sum = *sum * factor + Sums(part, numRows, dims)[i] * partFactor;
            float* output = total + (nint)i * dims, partOutput = part + (nint)i * dims;
            for (int d = 0; d < dims; d++) output[d] = output[d] * factor + partOutput[d] * partFactor;
        }
    }

    /// <summary>output = total / sum.</summary>
    static void Finish(in AttentionJob job, in AttentionUnit unit, float* total)
    {
        for (int i = 0; i < unit.NumRows; i++)
        {
            float* source = total + (nint)i * job.Dims, output = RowOf(job, unit, i, job.Output);
            float inverse = 1 / Sums(total, unit.NumRows, job.Dims)[i];
            // Adding 0 turns -0 into +0: the sign of a zero is the one thing that masked tokens can change.
            for (int d = 0; d < job.HeadDim; d++) output[d] = source[d] * inverse + 0f;
        }
    }

    public void Dispose()
    {
        _arguments.Dispose();
        _softmax.Dispose();
        _queries.Dispose();
        _partials.Dispose();
        _gathered.Dispose();
    }
}
