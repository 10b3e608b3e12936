using System.Buffers.Binary;

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

    /// <summary>sums[m][n] = product(sums[m][n], a[m][k], b[k][n]) for one k after the other, in words.</summary>
    public void Multiply(int sums, int a, int b, Func<int, int, int, int> product)
    {
        CheckIsConfigured(sums);
        Assert.Equal(3, new[] { sums, a, b }.Distinct().Count());
        Assert.Equal(_numRows[sums], _numRows[a]);
        Assert.Equal(_rowBytes[sums], _rowBytes[b]);
        Assert.Equal(_rowBytes[a], _numRows[b] * sizeof(int));
        for (int m = 0; m < _numRows[sums]; m++)
        {
            for (int n = 0; n < _rowBytes[sums]; n += sizeof(int))
            {
                int sum = Word(sums, m, n);
                for (int k = 0; k < _numRows[b]; k++) sum = product(sum, Word(a, m, k * sizeof(int)), Word(b, k, n));
                BinaryPrimitives.WriteInt32LittleEndian(Row(sums, m).AsSpan(n), sum);
            }
        }
    }

    byte[] Row(int tile, int row) => _rows[tile * MaxRows + row];

    int Word(int tile, int row, int offset) => BinaryPrimitives.ReadInt32LittleEndian(Row(tile, row).AsSpan(offset));

    void Clear(int tile)
    {
        for (int row = 0; row < MaxRows; row++) Array.Clear(Row(tile, row));
    }

    void CheckIsConfigured(int tile) => Assert.True(IsConfigured && _numRows[tile] > 0, $"tile {tile} is not configured");
}
