using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Tests.CodeGen;

namespace Vllm.Tests.MatMul;

/// <summary>Tiles on machines without them: the emitted code in an interpreter.</summary>
public class AmxMatMulTests
{
    /// <summary>Rows of a product, from less than a tile to three tiles of two sizes.</summary>
    static readonly int[] RowCounts = [1, 7, 15, 16, 17, 33, 47];

    public static TheoryData<GgmlType> QuantizedTypes =>
        [.. RandomMatrix.Types.Where(type => PanelPacker.FormatFor(type, DType.BF16).IsQuantized)];

    public static TheoryData<string> FormatNames =>
        [.. PanelFormat.All.Where(AmxMatMul.HasKernel).Select(format => format.Name)];

    /// <summary>A part of a chunk, several chunks, partial panels.</summary>
    [Theory, MemberData(nameof(QuantizedTypes))]
    public void Run_GivesTheReferencesBits(GgmlType type)
    {
        SkipUnlessTilesCanBeInterpreted();
        using var team = new WorkerTeam(1);
        var amx = new InterpretedAmx();
        using var kernel = new MatMulKernel(team, [amx, new ScalarMatMul()], amx.Name);
        using var reference = new MatMulKernel(team, "scalar");
        int blockColumns = GgmlTypes.Block(type).NumValues;
        foreach ((int numOutputs, int numColumns) in new[] { (33, blockColumns), (70, 1280) })
        {
            var matrix = new RandomMatrix(type, numOutputs, numColumns);
            using PackedWeight weight = PackedWeight.Create(team, [matrix], default, DType.BF16);
            foreach (int numRows in RowCounts)
            {
                using TestTensor x = new TestTensor(numRows, numColumns).FillRandom(numRows);
                using var output = new TestTensor(numRows, numOutputs);
                using var expected = new TestTensor(numRows, numOutputs);
                output.Tensor.AsSpan<float>().Fill(float.NaN);

                kernel.Run(x.Tensor, weight, output.Tensor);
                reference.Run(x.Tensor, weight, expected.Tensor);

                Assert.True(HasSameBits(expected, output), $"{numRows} x {numColumns} by {numOutputs}");
            }
        }

        Assert.True(amx.Counts[Mnemonic.Tdpbssd] > 0);
    }

    /// <summary>By the manual's order of additions; whole steps, chunks and parts of them.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(40)]
    [InlineData(576)]
    [InlineData(1100)]
    public void Run_OfBF16_AddsInTheOrderOfTiles(int numColumns)
    {
        SkipUnlessTilesCanBeInterpreted();
        const int NumOutputs = 37;
        using var team = new WorkerTeam(1);
        var amx = new InterpretedAmx();
        using var kernel = new MatMulKernel(team, [amx, new ScalarMatMul()], amx.Name);
        var matrix = new RandomMatrix(GgmlType.BF16, NumOutputs, numColumns);
        using PackedWeight weight = PackedWeight.Create(team, [matrix], default, DType.BF16);
        foreach (int numRows in RowCounts)
        {
            using TestTensor x = new TestTensor(numRows, numColumns).FillRandom(numRows);
            using var output = new TestTensor(numRows, NumOutputs);

            kernel.Run(x.Tensor, weight, output.Tensor);

            for (int row = 0; row < numRows; row++)
            {
                float[] expected = [.. Enumerable.Range(0, NumOutputs)
                    .Select(n => ProductInTiles(x.Tensor.Row<float>(row), matrix, n))];
                Assert.Equal(expected, output.Tensor.Row<float>(row).ToArray());
            }
        }

        Assert.True(amx.Counts[Mnemonic.Tdpbf16ps] > 0);
    }

    [Theory, MemberData(nameof(FormatNames))]
    public void Emit_WritesCodeThatRunsAnywhere(string formatName)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        for (int numRows = 1; numRows <= AmxLoopEmitter.MaxRows; numRows++)
        {
            var kernel = new AmxKernel(format, numRows, format.IsQuantized ? format.GroupSize : 32, NumPrefetches: 2);
            byte[] code = KernelCompiler.Assemble(kernel.Emit);
            string listing = KernelCompiler.Listing(code);

            int numHalves = numRows == AmxLoopEmitter.MaxRows ? 2 : 4; // of tiles of two sizes
            Assert.Equal(numHalves, ListingTests.Count(listing, format.IsQuantized ? "tdpbssd" : "tdpbf16ps"));
            Assert.Equal(1, ListingTests.Count(listing, "ldtilecfg"));
            int numLoops = format.IsQuantized ? numHalves : numHalves / 2; // with two prefetches
            Assert.Equal(2 * numLoops, ListingTests.Count(listing, "prefetcht1"));
            ListingTests.AssertRunsAnywhere(listing);
            int release = listing.IndexOf(" tilerelease", StringComparison.Ordinal);
            Assert.InRange(release, listing.LastIndexOf(" tdpb", StringComparison.Ordinal), listing.Length);
            Assert.DoesNotContain(" ret", listing[..release], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void SelfCheck_OfAWrongVariant_NamesTheFormat()
    {
        SkipUnlessTilesCanBeInterpreted();
        using var reference = new EmittedMatMul();
        using var right = new InterpretedAmx();
        using var wrong = new InterpretedAmx(wrongFormat: PanelFormat.Int4Min);

        Assert.Null(AmxSelfCheck.Compare(right, reference, hasBF16: true));
        string? failure = AmxSelfCheck.Compare(wrong, reference, hasBF16: true);

        Assert.Equal("int4 g32 + min by 16 rows differs from avx512", failure);
    }

    [Fact]
    public void Choices_SayWhyAVariantIsRefused()
    {
        using var team = new WorkerTeam(1);
        using var kernel = new MatMulKernel(team, [new RefusedVariant(), new ScalarMatMul()], null);

        Assert.EndsWith("; not amx: no permission", Assert.Single(kernel.Choices).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(GgmlType.Q4_0)]
    [InlineData(GgmlType.BF16)]
    public void Run_OfManyRows_ReadsAheadWhatWasListed(GgmlType type)
    {
        SkipUnlessTilesCanBeInterpreted();
        using var team = new WorkerTeam(1);
        using var kernel = new MatMulKernel(team, [new InterpretedAmx(), new ScalarMatMul()], null);
        using PackedWeight weight = PackedWeight.Create(team, [new RandomMatrix(type, 64, 1024)], default, DType.BF16);
        using TestTensor x = new TestTensor(32, 1024).FillRandom(1);
        using var output = new TestTensor(32, 64);
        kernel.ReadAhead.Begin();
        Assert.True(kernel.ReadAhead.TryAdd(x.Tensor.Address, 3000));
        Assert.True(kernel.ReadAhead.TryAdd(x.Tensor.Address + 8192, 1000));
        kernel.ReadAhead.End();

        kernel.Run(x.Tensor.Rows(8), weight, output.Tensor.Rows(8)); // few rows wait for their own weights
        Assert.False(kernel.ReadAhead.IsAtEnd(0));
        kernel.Run(x.Tensor, weight, output.Tensor);

        Assert.True(kernel.ReadAhead.IsAtEnd(0));
    }

    static void SkipUnlessTilesCanBeInterpreted()
    {
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni, "few rows and unpacking need AVX-512 with VNNI");
        Assert.SkipUnless(CodeInterpreter.KnowsCallingConvention, "another calling convention");
    }

    /// <summary>Per step of 32 columns: even columns, odd columns, their sum, the sum of all.</summary>
    static float ProductInTiles(ReadOnlySpan<float> x, RandomMatrix matrix, int output)
    {
        float[] weights = new float[matrix.NumColumns];
        matrix.DequantizeRow(output, weights);
        float sum = 0;
        for (int step = 0; step < weights.Length; step += 32)
        {
            float even = 0, odd = 0;
            for (int k = step; k < Math.Min(step + 32, weights.Length); k += 2)
            {
                even = MathF.FusedMultiplyAdd(Round(x[k]), weights[k], even);
                odd = MathF.FusedMultiplyAdd(Round(x[k + 1]), weights[k + 1], odd);
            }

            sum += even + odd;
        }

        return sum;

        static float Round(float value)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value);
            return BitConverter.UInt32BitsToSingle(bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000);
        }
    }

    static bool HasSameBits(TestTensor a, TestTensor b) =>
        MemoryMarshal.AsBytes(a.Tensor.AsSpan<float>()).SequenceEqual(MemoryMarshal.AsBytes(b.Tensor.AsSpan<float>()));

    /// <param name="wrongFormat">Its code is that of another: its results are wrong.</param>
    sealed class InterpretedAmx(PanelFormat? wrongFormat = null) : AmxMatMul(new EmittedMatMul())
    {
        readonly Dictionary<AmxKernel, CodeInterpreter> _kernels = [];

        public Dictionary<Mnemonic, int> Counts =>
            _kernels.Values.SelectMany(kernel => kernel.Counts).GroupBy(count => count.Key, count => count.Value)
                .ToDictionary(group => group.Key, group => group.Sum());

        public override bool Supports(PanelFormat format) => HasKernel(format);

        public override void Dispose()
        {
            base.Dispose();
            foreach (CodeInterpreter kernel in _kernels.Values) kernel.Dispose();
        }

        protected override void Execute(AmxKernel kernel, nint arguments)
        {
            if (!_kernels.TryGetValue(kernel, out CodeInterpreter? interpreter))
            {
                AmxKernel executed = kernel.Format == wrongFormat ? kernel with { Format = PanelFormat.Int4 } : kernel;
                interpreter = new CodeInterpreter(KernelCompiler.Assemble(executed.Emit));
                _kernels.Add(kernel, interpreter);
            }

            interpreter.Run(arguments);
        }
    }

    sealed class RefusedVariant : MatMulVariant
    {
        public override string Name => "amx";

        public override string Refusal => "no permission";

        public override bool Supports(PanelFormat format) => false;

        public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch) { }
    }
}
