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
    static readonly int[] RowCounts = [1, 7, 8, 9, 16, 17, 33, 47];

    public static TheoryData<GgmlType> QuantizedTypes =>
        [.. RandomMatrix.Types.Where(type => PanelPacker.FormatFor(type, DType.BF16).IsQuantized)];

    public static TheoryData<string> FormatNames =>
        [.. PanelFormat.All.Where(format => format.IsQuantized).Select(format => format.Name)];

    /// <summary>Whole chunks, parts of chunks and partial panels.</summary>
    [Theory, MemberData(nameof(QuantizedTypes))]
    public void Run_GivesTheReferencesBits(GgmlType type)
    {
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni, "few rows and unpacking need AVX-512 with VNNI");
        using var team = new WorkerTeam(1);
        var amx = new InterpretedAmx();
        using var kernel = new MatMulKernel(team, [amx, new ScalarMatMul()], amx.Name);
        using var reference = new MatMulKernel(team, "scalar");
        int blockColumns = GgmlTypes.Block(type).NumValues;
        foreach ((int numOutputs, int numColumns) in new[] { (33, blockColumns), (70, 768) })
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

    [Theory, MemberData(nameof(FormatNames))]
    public void Emit_WritesCodeThatRunsAnywhere(string formatName)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        for (int numRows = 1; numRows <= AmxTileEmitter.MaxRows; numRows++)
        {
            byte[] code = KernelCompiler.Assemble(a => AmxTileEmitter.Emit(a, format, numRows));
            string listing = KernelCompiler.Listing(code);

            int numHalves = numRows == AmxTileEmitter.MaxRows ? 2 : 4; // of tiles of two sizes
            Assert.Equal(numHalves, ListingTests.Count(listing, "tdpbssd"));
            Assert.Equal(1, ListingTests.Count(listing, "ldtilecfg"));
            ListingTests.AssertRunsAnywhere(listing);
            int release = listing.IndexOf(" tilerelease", StringComparison.Ordinal);
            Assert.InRange(release, listing.LastIndexOf(" tdpbssd", StringComparison.Ordinal), listing.Length);
            Assert.DoesNotContain(" ret", listing[..release], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void SelfCheck_OfAWrongVariant_NamesTheFormat()
    {
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni, "needs AVX-512 with VNNI");
        using var reference = new EmittedMatMul();
        using var right = new InterpretedAmx();
        using var wrong = new InterpretedAmx(wrongFormat: PanelFormat.Int4Min);

        Assert.Null(AmxSelfCheck.Compare(right, reference));
        string? difference = AmxSelfCheck.Compare(wrong, reference);

        Assert.StartsWith(PanelFormat.Int4Min.Name, difference, StringComparison.Ordinal);
    }

    [Fact]
    public void Choices_SayWhyAVariantIsRefused()
    {
        using var team = new WorkerTeam(1);
        using var kernel = new MatMulKernel(team, [new RefusedVariant(), new ScalarMatMul()], null);

        Assert.EndsWith("; not amx: no permission", Assert.Single(kernel.Choices).Reason, StringComparison.Ordinal);
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

        public override bool Supports(PanelFormat format) => format.IsQuantized;

        public override void Dispose()
        {
            base.Dispose();
            foreach (CodeInterpreter kernel in _kernels.Values) kernel.Dispose();
        }

        protected override void Execute(AmxKernel kernel, nint arguments)
        {
            if (!_kernels.TryGetValue(kernel, out CodeInterpreter? interpreter))
            {
                PanelFormat format = kernel.Format == wrongFormat ? PanelFormat.Int4 : kernel.Format;
                interpreter = new CodeInterpreter(
                    KernelCompiler.Assemble(a => AmxTileEmitter.Emit(a, format, kernel.NumRows)));
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
