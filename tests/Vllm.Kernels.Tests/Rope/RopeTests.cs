using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.Rope;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Rope;

public class RopeTests
{
    /// <summary>Absolute error of sums of two products of numbers around 1.</summary>
    const double Tolerance = 1e-6;

    public static TheoryData<string, DType> Cases()
    {
        var cases = new TheoryData<string, DType>();
        foreach (var variant in RopeKernel.Variants.Supported)
            foreach (DType dtype in new[] { DType.F32, DType.BF16, DType.F8E4M3 }) cases.Add(variant.Name, dtype);
        return cases;
    }

    static RopeKernel.RowBodies Variant(string name) => RopeKernel.Variants.Supported.Single(v => v.Name == name).Kernel;

    /// <summary>What reaches the cache is tested with attention, which reads it.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_RotatesHalves_AndPassesTheRestThrough(string variant, DType dtype)
    {
        using var team = new WorkerTeam(2);
        foreach ((int headDim, int rotaryDim) in new[] { (64, 64), (80, 32), (8, 8), (10, 6), (128, 128), (96, 96), (16, 2) })
            foreach (int numTokens in new[] { 0, 1, 5, 40 })
            {
                var random = new Random(headDim);
                using var cache = new PagedKvCache(new KvCacheSpec(1, 4, 16, 2, headDim, dtype));
                using var cosSin = new TestTensor(100, rotaryDim, () => random.NextNormal());
                using var q = new TestTensor(numTokens, 4 * headDim, () => random.NextNormal());
                using var k = new TestTensor(numTokens, 2 * headDim, () => random.NextNormal());
                using var v = new TestTensor(numTokens, 2 * headDim, () => random.NextNormal());
                float[] oldQ = q.Span.ToArray(), oldK = k.Span.ToArray(), oldV = v.Span.ToArray();
                var metadata = new AttentionMetadata(1, numTokens, 4) { NumTokens = numTokens };
                for (int i = 0; i < numTokens; i++) (metadata.Positions[i], metadata.SlotMapping[i]) = (99 - i, 63 - i);

                RopeKernel.Run(team, q, k, v, cosSin, cache, 0, metadata, Variant(variant));

                Assert.Equal(oldV, v.Span.ToArray());
                AssertRotated(oldQ, q.Span, 4 * headDim);
                AssertRotated(oldK, k.Span, 2 * headDim);

                void AssertRotated(float[] old, Span<float> rotated, int width)
                {
                    int half = rotaryDim / 2;
                    for (int i = 0; i < old.Length; i++)
                    {
                        int d = i % headDim, frequency = d % half;
                        Span<float> row = cosSin.Tensor.Row<float>(metadata.Positions[i / width]);
                        double expected = d >= rotaryDim ? old[i]
                            : (double)old[i] * row[frequency]
                              + (d < half ? -(double)old[i + half] : old[i - half]) * row[half + frequency];
                        Assert.Equal(expected, rotated[i], Tolerance * 10);
                    }
                }
            }
    }

    [Fact]
    public void Run_RejectsSlotsOutsideTheCache()
    {
        using var team = new WorkerTeam(1);
        using var cache = new PagedKvCache(new KvCacheSpec(1, 2, 16, 1, 8, DType.BF16));
        using var row = new TestTensor(1, 8);
        using var cosSin = new TestTensor(10, 8);
        var metadata = new AttentionMetadata(1, 1, 2) { NumTokens = 1 };
        metadata.SlotMapping[0] = 32;

        var error = Assert.Throws<ArgumentException>(() => RopeKernel.Run(team, row, row, row, cosSin, cache, 0, metadata));

        Assert.Contains("slot 32 of 32", error.Message);
    }
}
