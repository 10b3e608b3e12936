using System.Runtime.InteropServices;
using Vllm.Kernels.Formats;

namespace Vllm.Tests.MatMul;

/// <summary>A matrix of seeded random blocks with scales as real files have them.</summary>
sealed class RandomMatrix : StoredMatrix
{
    readonly byte[] _bytes;
    readonly int _rowBytes;

    public RandomMatrix(GgmlType type, int numRows, int numColumns, int seed = 1)
    {
        (Type, NumRows, NumColumns) = (type, numRows, numColumns);
        _rowBytes = (int)GgmlTypes.RowSizeBytes(type, numColumns);
        _bytes = GC.AllocateArray<byte>(numRows * _rowBytes, pinned: true);
        var random = new Random(seed);
        random.NextBytes(_bytes);
        int blockBytes = GgmlTypes.Block(type).SizeBytes;
        for (int block = 0; block < _bytes.Length; block += blockBytes)
            MakeSane(_bytes.AsSpan(block, blockBytes), random);
    }

    public static IReadOnlyList<GgmlType> Types { get; } =
    [
        GgmlType.F32, GgmlType.F16, GgmlType.BF16, GgmlType.Q4_0, GgmlType.Q4_1, GgmlType.Q5_0, GgmlType.Q5_1,
        GgmlType.Q8_0, GgmlType.Q2_K, GgmlType.Q3_K, GgmlType.Q4_K, GgmlType.Q5_K, GgmlType.Q6_K, GgmlType.IQ4_NL,
        GgmlType.IQ4_XS,
    ];

    public override string Name => $"random {Type}";

    public override GgmlType Type { get; }

    public override int NumRows { get; }

    public override int NumColumns { get; }

    public override ReadOnlySpan<byte> RowBytes(int row) => _bytes.AsSpan(row * _rowBytes, _rowBytes);

    public override void DequantizeRow(int row, Span<float> destination) =>
        Dequantizer.Dequantize(Type, RowBytes(row), destination);

    /// <summary>Offsets of the scale and the min in a block; -1 without.</summary>
    static (int Scale, int Min) Offsets(GgmlType type) => type switch
    {
        GgmlType.Q4_1 or GgmlType.Q5_1 or GgmlType.Q4_K or GgmlType.Q5_K => (0, 2),
        GgmlType.Q2_K => (80, 82),
        GgmlType.Q3_K => (108, -1),
        GgmlType.Q6_K => (208, -1),
        _ => (0, -1),
    };

    void MakeSane(Span<byte> block, Random random)
    {
        float value = (float)(random.NextDouble() * 2 - 1);
        switch (Type)
        {
            case GgmlType.F32: MemoryMarshal.Write(block, value); return;
            case GgmlType.F16: MemoryMarshal.Write(block, (Half)value); return;
            case GgmlType.BF16:
                MemoryMarshal.Write(block, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                return;
        }

        (int scale, int min) = Offsets(Type);
        MemoryMarshal.Write(block[scale..], (Half)(0.001 + random.NextDouble() * 0.02));
        if (min >= 0) MemoryMarshal.Write(block[min..], (Half)(0.001 + random.NextDouble() * 0.02));
    }
}
