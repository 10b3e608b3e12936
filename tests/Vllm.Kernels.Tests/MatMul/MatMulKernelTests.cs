using Vllm.Kernels;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;

namespace Vllm.Tests.MatMul;

public class MatMulKernelTests
{
    // Relative to the root of the sum of squared products: what the sum of products of random signs is like.
    const double F32Tolerance = 1e-5;
    const double BF16Tolerance = 2e-2;
    const double Int8Tolerance = 6e-2;

    static readonly (GgmlType Type, DType DType)[] Weights =
    [
        (GgmlType.F32, DType.F32),
        .. RandomMatrix.Types.Select(type => (type, type == GgmlType.F16 ? DType.F16 : DType.BF16)),
    ];

    public static IEnumerable<string> VariantNames
    {
        get
        {
            MatMulVariant[] variants = MatMulVariant.CreateAll();
            string[] names =
                [.. variants.Where(variant => PanelFormat.All.Any(variant.Supports)).Select(variant => variant.Name)];
            foreach (MatMulVariant variant in variants) variant.Dispose();
            return names;
        }
    }

    public static TheoryData<string, GgmlType, DType> Cases
    {
        get
        {
            var cases = new TheoryData<string, GgmlType, DType>();
            foreach (string name in VariantNames)
                foreach ((GgmlType type, DType dtype) in Weights)
                    cases.Add(name, type, dtype);
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Run_IsNearTheExactProduct(string variant, GgmlType type, DType dtype)
    {
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team, variant);
        int unit = GgmlTypes.Block(type).NumValues;
        int[] columnCounts = unit switch
        {
            _ when variant == "scalar" => [unit == 1 ? 40 : 2 * unit],
            1 => [1, 2, 7, 8, 40, 72, 129],
            32 => [32, 64, 96, 576],
            _ => [256, 768],
        };
        foreach (int numColumns in columnCounts)
        {
            foreach (int numOutputs in new[] { 1, 31, 33, 64 })
            {
                var matrix = new RandomMatrix(type, numOutputs, numColumns);
                float[] bias = numOutputs == 33 ? [.. Enumerable.Range(0, 33).Select(i => i * 0.1f)] : [];
                using PackedWeight weight = PackedWeight.Create(team, [matrix], bias, dtype);
                foreach (int numRows in new[] { 0, 1, 7, 13, 50 })
                {
                    using TestTensor x = new TestTensor(numRows, numColumns).FillRandom(numRows);
                    using var output = new TestTensor(numRows, numOutputs);

                    kernel.Run(x.Tensor, weight, output.Tensor);

                    AssertNear(x.Tensor, matrix, bias, output.Tensor, Tolerance(type, dtype));
                }
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Run_OfARow_DependsOnNothingElse(string variant, GgmlType type, DType dtype)
    {
        const int MaxRows = 130, NumOutputs = 3 * 32 + 5;
        int numColumns = GgmlTypes.Block(type).NumValues == 256 ? 768 : 576;
        using var team1 = new WorkerTeam(1);
        using var team2 = new WorkerTeam(2);
        using var team5 = new WorkerTeam(5);
        RandomMatrix matrix = new(type, NumOutputs, numColumns);
        using PackedWeight weight = PackedWeight.Create(team2, [matrix], default, dtype);
        using TestTensor x = new TestTensor(MaxRows, numColumns).FillRandom(3);
        using var alone = new TestTensor(MaxRows, NumOutputs);
        using var output = new TestTensor(MaxRows, NumOutputs);
        foreach (WorkerTeam team in new[] { team1, team2, team5 })
        {
            using var kernel = new MatMulKernel(team, variant);
            if (team == team1)
            {
                for (int row = 0; row < MaxRows; row++)
                    kernel.Run(Slice(x.Tensor, row, 1), weight, Slice(alone.Tensor, row, 1));
            }

            if (variant == "scalar" && team == team5) continue;
            int step = variant == "scalar" ? 64 : variant == VariantNames.First() && team == team2 ? 1 : 17;
            for (int numRows = 1; numRows <= MaxRows; numRows += step)
            {
                int first = numRows * 7 % (MaxRows - numRows + 1);
                output.Tensor.AsSpan<float>().Fill(float.NaN);
                if (numRows % 3 == 0) ListToReadAhead(kernel, x.Tensor);
                kernel.Run(Slice(x.Tensor, first, numRows), weight, Slice(output.Tensor, first, numRows));
                for (int row = first; row < first + numRows; row++)
                {
                    AssertSameBits(
                        alone.Tensor.Row<float>(row), output.Tensor.Row<float>(row), $"row {row} of {numRows}");
                }
            }
        }
    }

    static void ListToReadAhead(MatMulKernel kernel, Tensor memory)
    {
        kernel.ReadAhead.Begin();
        for (int row = 0; row < memory.NumRows; row++)
            kernel.ReadAhead.TryAdd(Slice(memory, row, 1).Address, memory.NumColumns * sizeof(float));
        kernel.ReadAhead.End();
    }

    [Fact]
    public void Run_OfManyRows_ReadsAheadWhatWasListed()
    {
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni, "other variants do not read ahead");
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team);
        using PackedWeight weight = PackedWeight.Create(team, [new RandomMatrix(GgmlType.Q4_0, 128, 576)], default, DType.BF16);
        using TestTensor x = new TestTensor(32, 576).FillRandom(1);
        using var output = new TestTensor(32, 128);

        ListToReadAhead(kernel, x.Tensor.Rows(3));
        Assert.False(kernel.ReadAhead.IsAtEnd(0));
        kernel.Run(x.Tensor.Rows(8), weight, output.Tensor.Rows(8)); // few rows wait for their own weights
        Assert.False(kernel.ReadAhead.IsAtEnd(0));
        kernel.Run(x.Tensor, weight, output.Tensor);

        Assert.True(kernel.ReadAhead.IsAtEnd(0)); // of rows 0 and 2
        Assert.True(kernel.ReadAhead.IsAtEnd(1)); // of row 1
    }

    [Theory, MemberData(nameof(Cases))]
    public void Run_OfManyRows_IsEqualInSlabs(string variant, GgmlType type, DType dtype)
    {
        if (variant == "scalar") return;
        const int NumRows = 2 * MatMulKernel.SlabRows + 9;
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team, variant);
        using PackedWeight weight = PackedWeight.Create(team, [new RandomMatrix(type, 64, 256)], default, dtype);
        using TestTensor x = new TestTensor(NumRows, 256).FillRandom(3);
        using var output = new TestTensor(NumRows, 64);
        using var alone = new TestTensor(1, 64);

        kernel.Run(x.Tensor, weight, output.Tensor);

        for (int row = 0; row < NumRows; row += 13)
        {
            kernel.Run(Slice(x.Tensor, row, 1), weight, alone.Tensor);
            AssertSameBits(alone.Tensor.Row<float>(0), output.Tensor.Row<float>(row), $"row {row}");
        }
    }

    /// <summary>Integer products have one right result, whatever the instructions.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Run_OfQuantizedWeights_EqualsTheReference(string variant, GgmlType type, DType dtype)
    {
        if (!PanelPacker.FormatFor(type, dtype).IsQuantized) return;
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team, variant);
        using var reference = new MatMulKernel(team, "scalar");
        using PackedWeight weight = PackedWeight.Create(team, [new RandomMatrix(type, 70, 768)], default, dtype);
        using TestTensor x = new TestTensor(9, 768).FillRandom(3);
        using var output = new TestTensor(9, 70);
        using var expected = new TestTensor(9, 70);

        kernel.Run(x.Tensor, weight, output.Tensor);
        reference.Run(x.Tensor, weight, expected.Tensor);

        AssertSameBits(expected.Tensor.AsSpan<float>(), output.Tensor.AsSpan<float>(), variant);
    }

    [Fact]
    public void Run_OfMixedParts_EqualsEachAlone()
    {
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team);
        RandomMatrix[] parts =
            [new(GgmlType.Q4_K, 40, 256, 1), new(GgmlType.BF16, 9, 256, 2), new(GgmlType.Q6_K, 33, 256, 3)];
        using PackedWeight fused = PackedWeight.Create(team, parts, default, DType.BF16);
        using TestTensor x = new TestTensor(20, 256).FillRandom(3);
        using var output = new TestTensor(20, 82);

        kernel.Run(x.Tensor, fused, output.Tensor);

        int first = 0;
        foreach (RandomMatrix part in parts)
        {
            using PackedWeight weight = PackedWeight.Create(team, [part], default, DType.BF16);
            using var alone = new TestTensor(20, part.NumRows);
            kernel.Run(x.Tensor, weight, alone.Tensor);
            for (int row = 0; row < 20; row++)
            {
                ReadOnlySpan<float> actual = output.Tensor.Row<float>(row).Slice(first, part.NumRows);
                AssertSameBits(alone.Tensor.Row<float>(row), actual, part.Name);
            }

            first += part.NumRows;
        }
    }

    [Fact]
    public void Run_OnColumnsOfWiderTensors_LeavesTheRest()
    {
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team);
        using PackedWeight weight = PackedWeight.Create(
            team, [new RandomMatrix(GgmlType.Q8_0, 40, 64)], default, DType.BF16);
        using TestTensor x = new TestTensor(3, 100).FillRandom(3);
        using var output = new TestTensor(3, 60);
        output.Tensor.AsSpan<float>().Fill(7);

        kernel.Run(x.Tensor.Columns(36, 64), weight, output.Tensor.Columns(10, 40));

        for (int row = 0; row < 3; row++)
        {
            Assert.All(output.Tensor.Row<float>(row)[..10].ToArray(), value => Assert.Equal(7, value));
            Assert.All(output.Tensor.Row<float>(row)[50..].ToArray(), value => Assert.Equal(7, value));
            Assert.DoesNotContain(7f, output.Tensor.Row<float>(row)[10..50].ToArray());
        }
    }

    [Fact]
    public void Run_WithOtherShapes_Throws()
    {
        using var team = new WorkerTeam(1);
        using var kernel = new MatMulKernel(team);
        using PackedWeight weight = PackedWeight.Create(
            team, [new RandomMatrix(GgmlType.Q8_0, 4, 32)], default, DType.BF16);
        using var x = new TestTensor(2, 32);
        using var output = new TestTensor(2, 5);

        Assert.Throws<ArgumentException>(() => kernel.Run(x.Tensor, weight, output.Tensor));
    }

    [Fact]
    public void Run_AllocatesNothing()
    {
        using var team = new WorkerTeam(2);
        using var kernel = new MatMulKernel(team);
        using PackedWeight weight = PackedWeight.Create(
            team, [new RandomMatrix(GgmlType.Q4_1, 64, 576)], default, DType.BF16);
        using TestTensor x = new TestTensor(8, 576).FillRandom(3);
        using var output = new TestTensor(8, 64);
        kernel.Run(x.Tensor, weight, output.Tensor);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) kernel.Run(x.Tensor, weight, output.Tensor);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Constructor_WithAnUnknownVariant_NamesTheKnown()
    {
        using var team = new WorkerTeam(1);

        var thrown = Assert.Throws<ArgumentException>(() => new MatMulKernel(team, "avx1024"));

        Assert.Contains("scalar", thrown.Message, StringComparison.Ordinal);
    }

    static double Tolerance(GgmlType type, DType dtype) => (type, dtype) switch
    {
        (_, DType.F32) or (_, DType.F16) => F32Tolerance,
        (GgmlType.F32 or GgmlType.F16 or GgmlType.BF16, _) => BF16Tolerance,
        _ => Int8Tolerance,
    };

    static Tensor Slice(Tensor tensor, int firstRow, int numRows)
    {
        nint address = tensor.Address + (nint)firstRow * tensor.RowStride * sizeof(float);
        return new Tensor(address, DType.F32, numRows, tensor.NumColumns, tensor.RowStride);
    }

    static void AssertNear(Tensor x, RandomMatrix matrix, float[] bias, Tensor output, double tolerance)
    {
        float[] weights = new float[matrix.NumColumns];
        for (int n = 0; n < matrix.NumRows; n++)
        {
            matrix.DequantizeRow(n, weights);
            for (int m = 0; m < x.NumRows; m++)
            {
                double exact = bias.Length > 0 ? bias[n] : 0, size = exact * exact + 1e-30;
                for (int k = 0; k < weights.Length; k++)
                {
                    double product = (double)weights[k] * x.Row<float>(m)[k];
                    exact += product;
                    size += product * product;
                }

                double error = Math.Abs(output.Row<float>(m)[n] - exact) / Math.Sqrt(size);
                string what = $"K {matrix.NumColumns}, [{m}, {n}]: {output.Row<float>(m)[n]}, exact {exact}";
                Assert.True(error <= tolerance, $"{what}, off by {error}");
            }
        }
    }

    static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            bool isSame = BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]);
            Assert.True(isSame, $"{what}, [{i}]: {expected[i]}, {actual[i]}");
        }
    }
}
