using Vllm.Kernels;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Tests.MatMul;

public class PackedWeightTests
{
    /// <summary>The fp16 scales of IQ4_XS are rounded products.</summary>
    const float ProductTolerance = 1 / 2048f;

    public static TheoryData<GgmlType> Types => [.. RandomMatrix.Types];

    [Theory, MemberData(nameof(Types))]
    public void GatherRows_ReturnsTheStoredValues(GgmlType type)
    {
        using var team = new WorkerTeam(2);
        var matrix = new RandomMatrix(type, 45, 512);
        DType dtype = type == GgmlType.BF16 ? DType.BF16 : DType.F16;
        if (type == GgmlType.F32) dtype = DType.F32;
        using PackedWeight weight = PackedWeight.Create(team, [matrix], default, dtype);
        using var rows = new TestTensor(3, 512);

        weight.GatherRows([44, 0, 31], rows.Tensor);

        float[] expected = new float[512];
        foreach ((int i, int row) in new[] { (0, 44), (1, 0), (2, 31) })
        {
            matrix.DequantizeRow(row, expected);
            float largest = expected.Max(MathF.Abs);
            float tolerance = type == GgmlType.IQ4_XS ? 2 * largest * ProductTolerance : 0;
            for (int k = 0; k < 512; k++) Assert.Equal(expected[k], rows.Tensor.Row<float>(i)[k], tolerance);
        }
    }

    [Theory, MemberData(nameof(Types))]
    public void GatherRows_InF32_IsExact(GgmlType type)
    {
        using var team = new WorkerTeam(2);
        var matrix = new RandomMatrix(type, 3, 256);
        using PackedWeight weight = PackedWeight.Create(team, [matrix], default, DType.F32);
        using var rows = new TestTensor(1, 256);

        weight.GatherRows([2], rows.Tensor);

        float[] expected = new float[256];
        matrix.DequantizeRow(2, expected);
        Assert.Equal(expected, rows.Tensor.AsSpan<float>());
    }

    [Fact]
    public void GatherRows_OfStackedParts_FindsEach()
    {
        using var team = new WorkerTeam(2);
        RandomMatrix[] parts =
        [
            new(GgmlType.Q4_K, 40, 256, 1), new(GgmlType.Q4_K, 7, 256, 2), new(GgmlType.Q6_K, 33, 256, 3),
            new(GgmlType.Q8_0, 1, 256, 4),
        ];
        using PackedWeight weight = PackedWeight.Create(team, parts, default, DType.BF16);
        using var rows = new TestTensor(81, 256);

        weight.GatherRows([.. Enumerable.Range(0, 81)], rows.Tensor);

        Assert.Equal("int4 g32/256 + min, int6 g16/256, int8 g32", weight.Format);
        float[] expected = new float[256];
        int index = 0;
        foreach (RandomMatrix part in parts)
        {
            for (int row = 0; row < part.NumRows; row++, index++)
            {
                part.DequantizeRow(row, expected);
                Assert.Equal(expected, rows.Tensor.Row<float>(index));
            }
        }
    }

    [Fact]
    public void GatherRows_OutsideTheTable_Throws()
    {
        using var team = new WorkerTeam(1);
        using PackedWeight weight = PackedWeight.Create(
            team, [new RandomMatrix(GgmlType.Q8_0, 4, 32)], default, DType.BF16);
        using var rows = new TestTensor(1, 32);

        Assert.Throws<ArgumentOutOfRangeException>(() => weight.GatherRows([4], rows.Tensor));
        Assert.Throws<ArgumentOutOfRangeException>(() => weight.GatherRows([-1], rows.Tensor));
    }

    [Fact]
    public void Create_WithUnequalColumns_Throws()
    {
        using var team = new WorkerTeam(1);

        RandomMatrix narrow = new(GgmlType.Q8_0, 4, 32), wide = new(GgmlType.Q8_0, 4, 64);
        Assert.Throws<ArgumentException>(() => PackedWeight.Create(team, [narrow, wide], default, DType.BF16));
        Assert.Throws<ArgumentException>(() => PackedWeight.Create(team, [narrow], new float[3], DType.BF16));
    }

    [Fact]
    public void Create_WithAPartOfABlock_Throws()
    {
        using var team = new WorkerTeam(1);
        RandomMatrix matrix = new(GgmlType.Q6_K, 4, 576);

        Assert.Throws<ArgumentException>(() => PackedWeight.Create(team, [matrix], default, DType.BF16));
    }
}

/// <summary>An fp32 tensor with memory of its own.</summary>
sealed class TestTensor : IDisposable
{
    readonly NativeBuffer _buffer;

    public TestTensor(int numRows, int numColumns)
    {
        _buffer = new NativeBuffer((long)numRows * numColumns * sizeof(float));
        Tensor = new Tensor(_buffer.Address, DType.F32, numRows, numColumns, numColumns);
    }

    public Tensor Tensor { get; }

    public TestTensor FillRandom(int seed)
    {
        var random = new Random(seed);
        int row = 0;
        foreach (ref float value in Tensor.AsSpan<float>())
            value = (float)(random.NextDouble() * 2 - 1) * (1 + row++ % 7);
        return this;
    }

    public void Dispose() => _buffer.Dispose();
}
