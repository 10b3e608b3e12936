using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Attention;

public class AttentionTests
{
    /// <summary>Largest error of an output whose values have deviation 1: fp32 sums and exponentials.</summary>
    const double Tolerance = 1e-5;

    /// <summary>The same where queries and probabilities are rounded to bf16 (8 bits of mantissa).</summary>
    const double BFloat16Tolerance = 2e-2;

    // numHeads, numKvHeads, headDim, blockSize. Slow variants run the first ones only.
    static readonly (int, int, int, int)[] Shapes =
    [
        (3, 1, 64, 64), (4, 2, 10, 3), (4, 2, 80, 16), (3, 3, 20, 1), (4, 4, 8, 16), (8, 2, 16, 32), (8, 1, 128, 64),
        (2, 2, 96, 128), (6, 2, 32, 16), (2, 1, 256, 16), (14, 2, 64, 64), (2, 1, 64, 24), (1, 1, 112, 16),
    ];

    static readonly DType[] DTypes = [DType.F32, DType.BF16, DType.F8E4M3, DType.F8E5M2, DType.I8];

    public static TheoryData<string, DType, int> Cases()
    {
        var cases = new TheoryData<string, DType, int>();
        foreach (var variant in AttentionKernel.Variants.Supported)
            foreach (DType dtype in DTypes)
                for (int shape = 0; shape < NumShapes(variant.Name, dtype); shape++) cases.Add(variant.Name, dtype, shape);
        return cases;
    }

    /// <summary>Portable variants see decoded tiles as those of bf16: one of the codes of 8 bits stands for all.</summary>
    static int NumShapes(string variant, DType dtype) => (variant, dtype) switch
    {
        ("avx512_bf16", DType.F32 or DType.BF16) => Shapes.Length,
        ("avx512_bf16", _) => 8,
        (_, DType.F32 or DType.BF16) => 4,
        (_, DType.I8) => 2,
        _ => 0,
    };

    static Func<TileShape, TileKernel> Variant(string name) =>
        AttentionKernel.Variants.Supported.Single(variant => variant.Name == name).Kernel;

    static double ToleranceOf(string variant, DType dtype) =>
        dtype != DType.F32 && variant.EndsWith("bf16", StringComparison.Ordinal) ? BFloat16Tolerance : Tolerance;

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_MatchesDoublePrecision(string variant, DType dtype, int shape)
    {
        (int numHeads, int numKvHeads, int headDim, int blockSize) = Shapes[shape];
        foreach (int window in new[] { 0, 1, 5, 64, 100 })
        {
            using var scenario = new AttentionScenario(numHeads, numKvHeads, headDim, blockSize, dtype, [1, 65, 200], window);
            double error = WorstError(scenario, Variant(variant), numHeads, headDim);
            Assert.True(error < ToleranceOf(variant, dtype), $"window {window}: error {error}");
        }
    }

    /// <summary>Largest error of the first, last and some other tokens of requests of 1, 65 and 200.</summary>
    static double WorstError(AttentionScenario scenario, Func<TileShape, TileKernel> variant, int numHeads, int headDim)
    {
        float[][] outputs = scenario.Run(variant, scenario.Mixed(seed: 3, maxTokens: 90));
        double worst = 0;
        for (int request = 0; request < 3; request++)
            foreach (int token in request == 0 ? [0] : new[] { 0, 1, 15, 16, 62, 63, 64, outputs[request].Length / (numHeads * headDim) - 1 })
                for (int head = 0; head < numHeads; head++)
                {
                    double[] expected = scenario.Reference(request, token, head);
                    for (int d = 0; d < headDim; d++)
                    {
                        double error = Math.Abs(expected[d] - outputs[request][(token * numHeads + head) * headDim + d]);
                        worst = Math.Max(worst, double.IsNaN(error) ? double.PositiveInfinity : error);
                    }
                }
        return worst;
    }

    /// <summary>Random shapes with every combination of what else may happen to scores.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void Run_MatchesDoublePrecision_WithEveryStep(string variant, DType dtype)
    {
        var random = new Random(7);
        int[] headDims = [32, 64, 80, 96, 112, 128, 192, 256];
        int[] blockSizes = [16, 64, 32, 24, 128];
        for (int i = 0; i < 16; i++)
        {
            int headDim = headDims[i % headDims.Length], groupSize = i + 1, numKvHeads = random.Next(1, 3);
            int window = random.Next(3) == 0 ? random.Next(1, 150) : 0;
            float softCap = (i & 1) != 0 ? 2.5f : 0;
            using var scenario = new AttentionScenario(
                groupSize * numKvHeads, numKvHeads, headDim, blockSizes[random.Next(blockSizes.Length)], dtype, [1, 65, 200],
                window, softCap, hasAlibi: (i & 2) != 0, hasSinks: (i & 4) != 0, seed: i);
            double error = WorstError(scenario, Variant(variant), groupSize * numKvHeads, headDim);
            Assert.True(error < ToleranceOf(variant, dtype), $"case {i}: error {error}");
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Run_GivesTheSameBits_WithEveryStep(string variant, DType dtype)
    {
        using var scenario = new AttentionScenario(
            10, 2, 48, 16, dtype, [150, 1, 66, 230], window: 90, softCap: 2.5f, hasAlibi: true, hasSinks: true);
        float[][] expected = scenario.Run(Variant(variant), scenario.OneByOne(512));

        AssertSame(expected, scenario.Run(Variant(variant), scenario.OneByOne(1), 2), "tokens");
        AssertSame(expected, scenario.Run(Variant(variant), scenario.OneByOne(37), 3, numThreads: 2), "chunks of 37");
        AssertSame(expected, scenario.Run(Variant(variant), scenario.Mixed(1, 80), 4, numThreads: 2), "mix");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_GivesTheSameBits_HoweverTheWorkIsCut(string variant, DType dtype, int shape)
    {
        (int numHeads, int numKvHeads, int headDim, int blockSize) = Shapes[shape];
        foreach (int window in new[] { 0, 1, 30, 100 })
        {
            using var scenario = new AttentionScenario(numHeads, numKvHeads, headDim, blockSize, dtype, [150, 1, 66, 230], window);
            float[][] expected = scenario.Run(Variant(variant), scenario.OneByOne(512));

            foreach (int chunk in new[] { 1, 16, 37, 64 })
                AssertSame(expected, scenario.Run(Variant(variant), scenario.OneByOne(chunk), tableSeed: chunk), $"chunks of {chunk}, window {window}");
            for (int seed = 0; seed < 2; seed++)
                AssertSame(expected, scenario.Run(Variant(variant), scenario.Mixed(seed, 80), seed, numThreads: 2), $"mix {seed}, window {window}");
        }
    }

    public static TheoryData<string, DType> Variants()
    {
        var cases = new TheoryData<string, DType>();
        foreach (var variant in AttentionKernel.Variants.Supported.Take(2))
            foreach (DType dtype in new[] { DType.F32, DType.BF16, DType.I8 })
                cases.Add(variant.Name, dtype);
        return cases;
    }

    /// <summary>Contexts of several segments: alone, one request's segments are spread over the workers.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void Run_GivesTheSameBits_OverSegments(string variant, DType dtype)
    {
        int longest = variant == "scalar" ? 1100 : 2300;
        foreach (int blockSize in new[] { 16, 64 })
            foreach (int window in new[] { 0, 1050 })
            {
                using var scenario = new AttentionScenario(6, 2, 32, blockSize, dtype, [longest, longest / 2], window);
                float[][] expected = scenario.Run(Variant(variant), scenario.OneByOne(4096));

                AssertSame(expected, scenario.Run(Variant(variant), scenario.OneByOne(7), 2, numThreads: 4), "chunks of 7");
                AssertSame(expected, scenario.Run(Variant(variant), scenario.OneByOne(512), 3), "chunks of 512");
                AssertSame(expected, scenario.Run(Variant(variant), scenario.Mixed(1, 700), 4, numThreads: 3), "mix");
                foreach (int token in new[] { 1023, 1024, longest - 1 })
                {
                    double[] reference = scenario.Reference(0, token, 5);
                    for (int d = 0; d < 32; d++)
                        Assert.Equal(reference[d], expected[0][(token * 6 + 5) * 32 + d], ToleranceOf(variant, dtype));
                }
            }
    }

    [Theory]
    [InlineData(-1, false)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public void Run_RefusesABlockThatDoesNotExist(int block, bool exists)
    {
        using var team = new WorkerTeam(1);
        using var kernel = new AttentionKernel(team);
        using var cache = new PagedKvCache(new KvCacheSpec(1, 4, 16, 1, 16, DType.BF16));
        using var q = new TestTensor(1, 16);
        using var output = new TestTensor(1, 16);
        var metadata = new AttentionMetadata(1, 1, 3) { NumSeqs = 1, NumTokens = 1 };
        metadata.QueryStart[1] = 1;
        metadata.SeqLens[0] = 20;
        metadata.BlockTables[1] = block;
        metadata.BlockTables[2] = 1000; // beyond the request

        Exception? thrown = Record.Exception(() => kernel.Run(q, cache, 0, metadata, new AttentionParameters { Scale = 1 }, output));

        Assert.Equal(exists, thrown is null);
        Assert.True(exists || thrown is ArgumentException);
    }

    [Fact]
    public void Run_AllocatesNothing_OnceWarm()
    {
        using var scenario = new AttentionScenario(6, 2, 64, 64, DType.BF16, [40]);
        Assert.Equal(0, scenario.AllocatedBytes(AttentionKernel.Variants.Chosen.Kernel));
    }

    static void AssertSame(float[][] expected, float[][] actual, string what)
    {
        for (int request = 0; request < expected.Length; request++)
            for (int i = 0; i < expected[request].Length; i++)
                if (BitConverter.SingleToInt32Bits(expected[request][i]) != BitConverter.SingleToInt32Bits(actual[request][i]))
                    Assert.Fail($"{what}: request {request}, element {i}: {expected[request][i]:R} and {actual[request][i]:R}");
    }
}
