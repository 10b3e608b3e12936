using System.Runtime.InteropServices;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Finds the keys and values of a tile in the blocks of a request.</summary>
sealed unsafe class TileFinder : IDisposable
{
    const int NumSubs = TileKernel.TileTokens / TileKernel.SubTokens;

    // [2][64] scales of keys and values, which stay finite; in a buffer of their own, as copies of tiles change their size.
    readonly NativeBuffer _scales = new(2 * TileKernel.TileTokens * sizeof(float));
    NativeBuffer _copy = new(0); // keys and values of one tile, see Gather and Decode

    float* Scales => (float*)_scales.Address;

    /// <summary>Grows the scratch memory.</summary>
    public void Reserve(in AttentionJob job)
    {
        long sizeBytes = job.IsCopied ? 2L * TileKernel.TileTokens * job.Dims * job.ElementBytes : 0;
        if (_copy.SizeBytes >= sizeBytes) return;
        _copy.Dispose();
        _copy = new NativeBuffer(sizeBytes);
    }

    /// <summary>Sets the pointers of a tile's groups of 16 tokens. Those beyond the request's end point to its last
    /// tokens: no row sees them, but their addresses must be readable.</summary>
    /// <param name="job">The call.</param>
    /// <param name="unit">Rows.</param>
    /// <param name="tile">Tile.</param>
    /// <param name="isDirect">Whether the kernel reads codes where they are; blocks hold whole tiles then.</param>
    /// <param name="keys">Of each 16 tokens.</param>
    /// <param name="values">Of each 16 tokens.</param>
    /// <param name="scales">Of keys and of values.</param>
    public void Find(
        in AttentionJob job, in AttentionUnit unit, int tile, bool isDirect, long* keys, long* values, long* scales)
    {
        int request = unit.Rows.Request;
        int* table = job.BlockTables + (nint)request * job.MaxBlocksPerSeq;
        if (job.IsGathered)
        {
            Gather(job, unit, table, tile);
            PointToCopy(job, keys, values, scales);
            return;
        }
        if (job.Code is not null && !isDirect)
        {
            Decode(job, unit, table, tile);
            PointToCopy(job, keys, values, scales);
            return;
        }
        int lastSub = (job.SeqLens[request] - 1) / TileKernel.SubTokens;
        (int index, int column) = Math.DivRem(tile * TileKernel.TileTokens, job.BlockSize);
        int columnBytes = isDirect ? 2 : 4;
        nint valueRowBytes = isDirect ? job.Dims * 2 : job.ValueRowBytes;
        if (isDirect) PointToScales((float*)(job.Chunk(table[index], unit.KvHead) + 2 * job.ValuesOffset) + column, job.Columns, scales);
        for (int i = 0; i < NumSubs; i++)
        {
            byte* chunk = job.Chunk(table[index], unit.KvHead);
            keys[i] = (long)(chunk + column * columnBytes);
            values[i] = (long)(chunk + job.ValuesOffset + column / 2 * valueRowBytes);
            if (tile * NumSubs + i >= lastSub) continue;
            column += TileKernel.SubTokens;
            if (column < job.BlockSize) continue;
            column = 0;
            index++;
        }
    }

    /// <summary>Copies a tile out of blocks of any size into one of <see cref="TileKernel.TileTokens"/>; tokens that no
    /// row sees become 0. Slow, but the block sizes that need it serve comparisons, not speed.</summary>
    void Gather(in AttentionJob job, in AttentionUnit unit, int* table, int tile)
    {
        const int T = TileKernel.TileTokens;
        int request = unit.Rows.Request, elementBytes = job.ElementBytes;
        nint tileBytes = (nint)T * job.Dims * elementBytes;
        var gathered = (byte*)_copy.Address;
        NativeMemory.Clear(gathered, (nuint)(2 * tileBytes));
        int first = Math.Max(0, job.FirstVisible(job.Position(request, unit.Rows.FirstRow)) - tile * T);
        int end = Math.Min(T, job.SeqLens[request] - tile * T);
        for (int t = first; t < end; t++)
        {
            (int index, int column) = Math.DivRem(tile * T + t, job.BlockSize);
            byte* source = job.Chunk(table[index], unit.KvHead);
            if (job.Code is not null)
            {
                DecodeToken(job, source, column, t);
                continue;
            }
            for (int d = 0; d < job.Dims; d++)
            {
                Copy(source + Offset(d, column, job.Columns, elementBytes), gathered + Offset(d, t, T, elementBytes), elementBytes);
                Copy(source + job.ValuesOffset + Offset(column, d, job.Dims, elementBytes),
                    gathered + tileBytes + Offset(t, d, job.Dims, elementBytes), elementBytes);
            }
        }
    }

    /// <summary>One token of <see cref="Gather"/> from codes.</summary>
    void DecodeToken(in AttentionJob job, byte* source, int column, int t)
    {
        const int T = TileKernel.TileTokens, B = sizeof(ushort);
        var keys = (byte*)_copy.Address;
        byte* values = keys + (nint)T * job.Dims * B;
        for (int d = 0; d < job.Dims; d++)
        {
            // Codes lie like bf16 in half the bytes.
            *(ushort*)(keys + Offset(d, t, T, B)) = job.Code!.Decode(source[Offset(d, column, job.Columns, B) / 2]);
            *(ushort*)(values + Offset(t, d, job.Dims, B)) =
                job.Code.Decode(source[job.ValuesOffset + Offset(column, d, job.Dims, B) / 2]);
        }
        if (job.Code!.HasScales) CopyScales(job, source, column, t, 1);
    }

    void CopyScales(in AttentionJob job, byte* chunk, int column, int token, int num)
    {
        var scales = (float*)(chunk + 2 * job.ValuesOffset);
        for (int i = 0; i < num; i++)
        {
            Scales[token + i] = scales[column + i];
            Scales[TileKernel.TileTokens + token + i] = scales[job.Columns + column + i];
        }
    }

    /// <summary>Decodes a tile's 8-bit keys and values to bf16, once for all rows that see it. Of the groups of 16 tokens
    /// beyond the request's end, what an earlier tile left stays: no row sees it.</summary>
    void Decode(in AttentionJob job, in AttentionUnit unit, int* table, int tile)
    {
        const int S = TileKernel.SubTokens;
        int end = (job.SeqLens[unit.Rows.Request] + S - 1) / S * S; // of the tokens to decode
        int num;
        for (int position = tile * TileKernel.TileTokens, t = 0; t < TileKernel.TileTokens && position < end; t += num, position += num)
        {
            (int index, int column) = Math.DivRem(position, job.BlockSize);
            num = Math.Min(Math.Min(TileKernel.TileTokens - t, job.BlockSize - column), end - position);
            byte* chunk = job.Chunk(table[index], unit.KvHead);
            // The same place of the next tile.
            int next = position + TileKernel.TileTokens;
            nint ahead = next < end && job.BlockSize <= TileKernel.TileTokens
                ? (nint)(job.Chunk(table[next / job.BlockSize], unit.KvHead) - chunk)
                : 0;
            DecodeRun(job, chunk, column, t, num, ahead);
        }
    }

    /// <summary>Decodes tokens of one block to tokens [t, t + num) of the tile.</summary>
    void DecodeRun(in AttentionJob job, byte* chunk, int column, int t, int num, nint ahead)
    {
        const int T = TileKernel.TileTokens;
        KvCode code = job.Code!;
        var keys = (ushort*)_copy.Address;
        ushort* values = keys + (nint)T * job.Dims;
        if (num == job.Columns && num == T) Decode(chunk, keys, T * job.Dims);
        else
            for (int row = 0; row < job.Dims / 2; row++)
                Decode(chunk + ((nint)row * job.Columns + column) * 2, keys + ((nint)row * T + t) * 2, num * 2);
        Decode(chunk + job.ValuesOffset + (nint)column * job.Dims, values + (nint)t * job.Dims, num * job.Dims);
        if (code.HasScales) CopyScales(job, chunk, column, t, num);

        void Decode(byte* codes, ushort* decoded, int length) =>
            code.Decode(new ReadOnlySpan<byte>(codes, length), new Span<ushort>(decoded, length), ahead);
    }

    static void PointToScales(float* first, int numColumns, long* scales) =>
        (scales[0], scales[1]) = ((long)first, (long)(first + numColumns));

    void PointToCopy(in AttentionJob job, long* keys, long* values, long* scales)
    {
        PointToScales(Scales, TileKernel.TileTokens, scales);
        var copy = (byte*)_copy.Address;
        nint tileBytes = (nint)TileKernel.TileTokens * job.Dims * job.ElementBytes;
        for (int i = 0; i < NumSubs; i++)
        {
            keys[i] = (long)(copy + i * TileKernel.SubTokens * 4);
            values[i] = (long)(copy + tileBytes + i * (TileKernel.SubTokens / 2) * job.ValueRowBytes);
        }
    }

    /// <summary>Bytes from the first pair row to an element (see <see cref="IKvElement"/>).</summary>
    static nint Offset(int row, int column, int numColumns, int elementBytes) =>
        elementBytes == sizeof(ushort)
            ? ((nint)(row / 2) * numColumns + column) * 4 + row % 2 * 2
            : ((nint)row * numColumns + column) * 4;

    static void Copy(byte* source, byte* destination, int numBytes)
    {
        if (numBytes == sizeof(ushort)) *(ushort*)destination = *(ushort*)source;
        else *(uint*)destination = *(uint*)source;
    }

    public void Dispose()
    {
        _scales.Dispose();
        _copy.Dispose();
    }
}
