using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.CodeGen;

namespace Vllm.Tests.Attention;

/// <summary>What the emitter writes, read back from the machine code.</summary>
public class AttentionTileEmitterTests
{
    /// <summary>A guard against growth by accident: all loops are below it now.</summary>
    const int MaxCodeBytes = 12 << 10;

    static string Listing(
        int dims, int numRows, int numMaskedSubs, PrefetchLines prefetch, TileSteps steps = TileSteps.None, DType dtype = DType.BF16)
    {
        byte[] code = KernelCompiler.Assemble(
            a => new AttentionTileEmitter(a, new(dtype, dims, 64, steps), numRows, numMaskedSubs, prefetch).Emit());
        Assert.InRange(code.Length, 1, MaxCodeBytes);
        return KernelCompiler.Listing(code);
    }

    static int Count(string listing, string instruction) =>
        listing.Split('\n').Count(line => line.Contains(' ' + instruction + ' ', StringComparison.Ordinal));

    [Theory]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(128)]
    public void Emit_WritesOneProductPerAccumulatorAndPair(int dims)
    {
        for (int numRows = 1; numRows <= TileKernel.MaxRows; numRows++)
        {
            string listing = Listing(dims, numRows, numMaskedSubs: 0, PrefetchLines.None);

            int scores = 4 * numRows * 4, sums = numRows * 2, output = 8 * numRows * dims / 16;
            Assert.Equal(scores + sums + output, Count(listing, "vdpbf16ps"));
            Assert.Equal(0, Count(listing, "prefetcht1"));
        }
    }

    /// <summary>128 codes of keys per pair of dims; of values 64 codes at once, and 32 where a panel is of odd width.</summary>
    [Theory]
    [InlineData(64, 2)]
    [InlineData(80, 2 + 1)]
    [InlineData(96, 2 + 2)]
    public void Emit_LooksEachCodeUpOnce(int dims, int lookupsPerPairRow)
    {
        string listing = Listing(dims, 4, 0, PrefetchLines.All, dtype: DType.F8E4M3);

        Assert.Equal(2 * (4 * 2 + 8 * lookupsPerPairRow), Count(listing, "vpermi2b"));
        Assert.Equal(4 * 4 * 4 + 4 * 2 + 8 * 4 * dims / 16, Count(listing, "vdpbf16ps"));
    }

    [Fact]
    public void Emit_SkipsSubTilesThatNoRowSees()
    {
        string listing = Listing(64, 3, numMaskedSubs: 1, PrefetchLines.None);

        int scores = 4 * 3, sums = 3 * 2, output = 3 * 64 / 16;
        Assert.Equal(scores + sums + output, Count(listing, "vdpbf16ps"));
    }

    [Fact]
    public void Emit_WritesNothingOfStepsThatAreNotAskedFor()
    {
        Assert.Equal(0, Count(Listing(64, 3, 0, PrefetchLines.None), "vdivps"));
        Assert.Equal(3 * 4, Count(Listing(64, 3, 0, PrefetchLines.None, TileSteps.SoftCap), "vdivps"));
        Assert.Equal(
            3 * 2 * 4,
            Count(Listing(64, 3, 0, PrefetchLines.None, TileSteps.Scales), "vmulps") - Count(Listing(64, 3, 0, PrefetchLines.None), "vmulps"));
    }

    [Fact]
    public void Emit_PrefetchesEveryLineOnce()
    {
        const int KeyLinesPerIteration = 4 * 4, ValueLinesPerIteration = 8 * 64 / 16;

        Assert.Equal(KeyLinesPerIteration + ValueLinesPerIteration, Count(Listing(64, 3, 0, PrefetchLines.All), "prefetcht1"));
        Assert.Equal(
            KeyLinesPerIteration + ValueLinesPerIteration,
            Count(Listing(64, 3, 0, PrefetchLines.Even), "prefetcht1") + Count(Listing(64, 3, 0, PrefetchLines.Odd), "prefetcht1"));
    }
}
