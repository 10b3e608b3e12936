using System.Runtime.InteropServices;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Finds the keys and values of a tile in the blocks of a request.</summary>
sealed unsafe class TileFinder : IDisposable
{
    const int NumSubs = TileKernel.TileTokens / TileKernel.SubTokens;

    NativeBuffer _gathered = new(0); // keys and values of one tile, see Gather

    /// <summary>Grows the scratch memory.</summary>
    public void Reserve(in AttentionJob job)
    {
        long sizeBytes = job.IsGathered ? 2L * TileKernel.TileTokens * job.Dims * job.ElementBytes : 0;
        if (_gathered.SizeBytes >= sizeBytes) return;
        _gathered.Dispose();
        _gathered = new NativeBuffer(sizeBytes);
    }

    /// <summary>Sets the pointers of a tile's groups of 16 tokens. Those beyond the request's end point to its last
    /// tokens: no row sees them, but their addresses must be readable.</summary>
    public void Find(in AttentionJob job, in AttentionUnit unit, int tile, long* keys, long* values)
    {
        int request = unit.Rows.Request;
        int* table = job.BlockTables + (nint)request * job.MaxBlocksPerSeq;
        if (job.IsGathered)
        {
            Gather(job, unit, table, tile, keys, values);
            return;
        }
        int lastSub = (job.SeqLens[request] - 1) / TileKernel.SubTokens;
        (int index, int column) = Math.DivRem(tile * TileKernel.TileTokens, job.BlockSize);
        for (int i = 0; i < NumSubs; i++)
        {
            byte* chunk = job.Chunk(table[index], unit.KvHead);
            keys[i] = (long)(chunk + column * 4);
            values[i] = (long)(chunk + job.ValuesOffset + column / 2 * job.ValueRowBytes);
            if (tile * NumSubs + i >= lastSub) continue;
            column += TileKernel.SubTokens;
            if (column < job.BlockSize) continue;
            column = 0;
            index++;
        }
    }

    /// <summary>Copies a tile out of blocks of any size into one of <see cref="TileKernel.TileTokens"/>; tokens that no
    /// row sees become 0. Slow, but the block sizes that need it serve comparisons, not speed.</summary>
    void Gather(in AttentionJob job, in AttentionUnit unit, int* table, int tile, long* keys, long* values)
    {
        const int T = TileKernel.TileTokens;
        int request = unit.Rows.Request, elementBytes = job.ElementBytes;
        nint tileBytes = (nint)T * job.Dims * elementBytes;
        var gathered = (byte*)_gathered.Address;
        NativeMemory.Clear(gathered, (nuint)(2 * tileBytes));
        int first = Math.Max(0, job.FirstVisible(job.Position(request, unit.Rows.FirstRow)) - tile * T);
        int end = Math.Min(T, job.SeqLens[request] - tile * T);
        for (int t = first; t < end; t++)
        {
            (int index, int column) = Math.DivRem(tile * T + t, job.BlockSize);
            byte* source = job.Chunk(table[index], unit.KvHead);
            for (int d = 0; d < job.Dims; d++)
            {
                Copy(source + Offset(d, column, job.Columns, elementBytes), gathered + Offset(d, t, T, elementBytes), elementBytes);
                Copy(source + job.ValuesOffset + Offset(column, d, job.Dims, elementBytes),
                    gathered + tileBytes + Offset(t, d, job.Dims, elementBytes), elementBytes);
            }
        }
        for (int i = 0; i < NumSubs; i++)
        {
            keys[i] = (long)(gathered + i * TileKernel.SubTokens * 4);
            values[i] = (long)(gathered + tileBytes + i * (TileKernel.SubTokens / 2) * job.ValueRowBytes);
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

    public void Dispose() => _gathered.Dispose();
}
