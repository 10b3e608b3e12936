using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vllm.Tests.CodeGen;

/// <summary>The eight tile registers of AMX, palette 1: up to 16 rows of up to 64 bytes, by the manual's definitions.
/// What the processor would refuse fails.</summary>
sealed class TileUnit
{
    const int NumTiles = 8, MaxRows = 16, MaxRowBytes = 64;

    readonly byte[][] _rows = [.. Enumerable.Range(0, NumTiles * MaxRows).Select(_ => new byte[MaxRowBytes])];
    readonly int[] _numRows = new int[NumTiles], _rowBytes = new int[NumTiles];

    public bool IsConfigured { get; private set; }

    /// <summary>ldtilecfg.</summary>
    public void Configure(ReadOnlySpan<byte> configuration)
    {
        const int RowBytesOffset = 16, RowsOffset = 48;
        Assert.Equal(1, configuration[0]);
        Assert.Equal(-1, configuration[1..RowBytesOffset].IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, configuration[(RowBytesOffset + 2 * NumTiles)..RowsOffset].IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, configuration[(RowsOffset + NumTiles)..].IndexOfAnyExcept((byte)0));
        for (int tile = 0; tile < NumTiles; tile++)
        {
            _numRows[tile] = configuration[RowsOffset + tile];
            _rowBytes[tile] = BinaryPrimitives.ReadUInt16LittleEndian(configuration[(RowBytesOffset + 2 * tile)..]);
            Assert.InRange(_numRows[tile], 0, MaxRows);
            Assert.InRange(_rowBytes[tile], 0, MaxRowBytes);
            Assert.Equal(_numRows[tile] == 0, _rowBytes[tile] == 0);
            Clear(tile);
        }

        IsConfigured = true;
    }

    /// <summary>tilerelease.</summary>
    public void Release()
    {
        Array.Clear(_numRows);
        Array.Clear(_rowBytes);
        IsConfigured = false;
    }

    /// <summary>tilezero.</summary>
    public void Zero(int tile)
    {
        CheckIsConfigured(tile);
        Clear(tile);
    }

    /// <summary>tileloadd: what is beyond the configured rows and columns becomes 0.</summary>
    public void Load(int tile, Func<int, int, byte[]> readRow)
    {
        Zero(tile);
        for (int row = 0; row < _numRows[tile]; row++) readRow(row, _rowBytes[tile]).CopyTo(Row(tile, row), 0);
    }

    /// <summary>tilestored.</summary>
    public void Store(int tile, Action<int, byte[]> writeRow)
    {
        CheckIsConfigured(tile);
        for (int row = 0; row < _numRows[tile]; row++) writeRow(row, Row(tile, row)[.._rowBytes[tile]]);
    }

    /// <summary>Of a word of sums, a row of a and a column of b.</summary>
    public delegate int Product(int sum, ReadOnlySpan<int> a, ReadOnlySpan<int> b);

    /// <summary>tdp…: sums[m][n] = product(sums[m][n], a[m], column n of b).</summary>
    public void Multiply(int sums, int a, int b, Product product)
    {
        CheckIsConfigured(sums);
        Assert.Equal(3, new[] { sums, a, b }.Distinct().Count());
        Assert.Equal(_numRows[sums], _numRows[a]);
        Assert.Equal(_rowBytes[sums], _rowBytes[b]);
        Assert.Equal(_rowBytes[a], _numRows[b] * sizeof(int));
        int[] column = new int[_numRows[b]];
        for (int n = 0; n < _rowBytes[b] / sizeof(int); n++)
        {
            for (int k = 0; k < column.Length; k++) column[k] = Words(b, k)[n];
            for (int m = 0; m < _numRows[sums]; m++)
                Words(sums, m)[n] = product(Words(sums, m)[n], Words(a, m)[..column.Length], column);
        }
    }

    /// <summary>tdpbssd: signed bytes.</summary>
    public static int AddBytes(int sum, ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        for (int k = 0; k < a.Length; k++)
            for (int shift = 0; shift < 32; shift += 8) sum += (sbyte)(a[k] >> shift) * (sbyte)(b[k] >> shift);
        return sum;
    }

    /// <summary>tdpbf16ps: even and odd elements apart, then both together, then to the sum; subnormals are 0.</summary>
    public static int AddBFloat16(int sum, ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        float even = 0, odd = 0;
        for (int k = 0; k < a.Length; k++)
        {
            even = Flush(MathF.FusedMultiplyAdd(Float(a[k] << 16), Float(b[k] << 16), even));
            odd = Flush(MathF.FusedMultiplyAdd(Float(a[k] & ~0xFFFF), Float(b[k] & ~0xFFFF), odd));
        }

        return BitConverter.SingleToInt32Bits(Flush(Float(sum) + Flush(even + odd)));

        static float Float(int bits) => Flush(BitConverter.Int32BitsToSingle(bits));
        static float Flush(float value) => float.IsSubnormal(value) ? float.CopySign(0, value) : value;
    }

    byte[] Row(int tile, int row) => _rows[tile * MaxRows + row];

    Span<int> Words(int tile, int row) => MemoryMarshal.Cast<byte, int>(Row(tile, row).AsSpan());

    void Clear(int tile)
    {
        for (int row = 0; row < MaxRows; row++) Array.Clear(Row(tile, row));
    }

    void CheckIsConfigured(int tile) =>
        Assert.True(IsConfigured && _numRows[tile] > 0, $"tile {tile} is not configured");
}
