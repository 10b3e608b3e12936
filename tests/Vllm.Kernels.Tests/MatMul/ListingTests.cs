using System.Text.RegularExpressions;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.MatMul;

namespace Vllm.Tests.MatMul;

/// <summary>What the emitters write, read back from the machine code.</summary>
public partial class ListingTests
{
    /// <summary>Larger loops fall out of the cache of decoded instructions; one of 12 KB ran at 70 %.</summary>
    const int MaxLoopBytes = 5 << 10;

    public static TheoryData<string, string> ProductInstructions
    {
        get
        {
            var instructions = new TheoryData<string, string>();
            foreach (PanelFormat format in PanelFormat.All)
            {
                string other = format == PanelFormat.BF16 ? "vdpbf16ps" : "vfmadd231ps";
                instructions.Add(format.Name, format.IsQuantized ? "vpdpbusd" : other);
            }

            return instructions;
        }
    }

    [Theory, MemberData(nameof(ProductInstructions))]
    public void Emit_WritesTwoProductsPerRowAndStep(string formatName, string instruction)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni && CpuFeatures.HasAvx512Bf16, "needs AVX-512 with VNNI and BF16");
        TileEmitter tile = TileEmitter.For(format)!;
        int numSteps = format == PanelFormat.BF16 ? 4 : 1;
        if (format.IsQuantized) numSteps = format.CodeLines.Length;

        for (int numRows = 1; numRows <= tile.MaxRows; numRows++)
        {
            byte[] code = KernelCompiler.Assemble(a => PanelLoopEmitter.Emit(a, tile, numRows, new Prefetches(2, 3)));
            string listing = KernelCompiler.Listing(code);

            int numRowsInAll = numRows == tile.MaxRows ? numRows : 2 * numRows + 1;
            int numSums = format.IsQuantized ? 2 * numRowsInAll * format.GroupsPerPart * (format.HasMin ? 2 : 1) : 0;
            int numProducts = 2 * numRowsInAll * numSteps;
            Assert.Equal(numProducts, Count(listing, instruction));
            Assert.Equal(instruction == "vfmadd231ps" ? numProducts : numSums, Count(listing, "vfmadd231ps"));
            int numLoops = numRows == tile.MaxRows ? 1 : 2; // for row blocks of two sizes
            Assert.InRange(code.Length, 1, numLoops * MaxLoopBytes);
        }
    }

    [Theory, MemberData(nameof(ProductInstructions))]
    public void Emit_WritesCodeThatRunsAnywhere(string formatName, string instruction)
    {
        PanelFormat format = PanelFormat.All.Single(candidate => candidate.Name == formatName);
        Assert.SkipUnless(CpuFeatures.HasAvx512Vnni && CpuFeatures.HasAvx512Bf16, "needs AVX-512 with VNNI and BF16");

        string listing = KernelCompiler.Listing(KernelCompiler.Assemble(
            a => PanelLoopEmitter.Emit(a, TileEmitter.For(format)!, numRows: 3, new Prefetches(0, 0))));

        Assert.Contains(instruction, listing, StringComparison.Ordinal);
        AssertRunsAnywhere(listing);
    }

    internal static void AssertRunsAnywhere(string listing)
    {
        Assert.DoesNotMatch(AbsoluteAddress(), listing);
        Assert.DoesNotContain("call", listing, StringComparison.Ordinal);
        Assert.DoesNotContain("(bad)", listing, StringComparison.Ordinal);
        string[] lines = listing.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.EndsWith(" vzeroupper", lines[^2], StringComparison.Ordinal);
        Assert.EndsWith(" ret", lines[^1], StringComparison.Ordinal);
    }

    internal static int Count(string listing, string instruction) => Regex.Count(listing, $" {instruction} ");

    /// <summary>A memory operand without a register.</summary>
    [GeneratedRegex(@"\[(rel )?[0-9][0-9A-Fa-f]*h?\]")]
    private static partial Regex AbsoluteAddress();
}
