using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Every variant against the scalar reference.</summary>
public class SamplingKernelsTests
{
    /// <summary>Sums and exponentials in another order and by another polynomial.</summary>
    const double RelativeTolerance = 2e-6;

    /// <summary>2^-125: lower weights may be 0.</summary>
    const double SmallestWeight = 2.4e-38;

    static readonly SamplingKernels Reference = SamplingKernels.Variants.Single(v => v.Name == "scalar").Kernels;

    // 0, 1, each width and block ± 1, odd rests, and vocabularies of real models.
    static readonly int[] Sizes =
    [
        0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 128, 129, 511, 512, 513, 515, 1000, 2047, 2049, 4099,
        32000, 50257, 128256,
    ];

    public static TheoryData<string, int> VariantsAndSizes()
    {
        var data = new TheoryData<string, int>();
        foreach (SamplingKernelsVariant variant in SamplingKernels.Variants.Where(v => v.IsSupported))
            foreach (int size in Sizes)
                data.Add(variant.Name, size);
        return data;
    }

    static SamplingKernels Kernels(string name) => SamplingKernels.Variants.Single(v => v.Name == name).Kernels;

    /// <summary>Rows of different character: plain, with ties, masked, with NaN, with nothing in them.</summary>
    static IEnumerable<float[]> Rows(int size)
    {
        var random = new Random(size + 1);
        float[] plain = [.. Enumerable.Range(0, size).Select(_ => (float)(random.NextDouble() * 30 - 20))];
        yield return plain;
        yield return [.. plain.Select(v => MathF.Round(v / 4))];
        yield return [.. plain.Select((v, i) => i % 3 == 0 ? v : float.NegativeInfinity)];
        yield return [.. plain.Select((v, i) => i % 5 == 2 || i + 1 == size ? float.NaN : v)];
        yield return [.. plain.Select(_ => float.NegativeInfinity)];
        yield return [.. plain.Select(_ => float.NaN)];
        yield return [.. plain.Select(_ => -3f)];
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void Maxima_EqualReference(string variant, int size)
    {
        foreach (float[] row in Rows(size))
        {
            float[] expected = new float[SamplingKernels.NumBlocks(size, SamplingKernels.MaximaBlock)];
            float[] actual = new float[expected.Length];
            float expectedMax = Reference.BlockMaxima(row, expected);

            Assert.Equal(expectedMax, Kernels(variant).BlockMaxima(row, actual));
            Assert.Equal(expected, actual);
            Assert.Equal(Reference.Argmax(row), Kernels(variant).Argmax(row));
        }
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void Exponentials_EqualReference(string variant, int size)
    {
        foreach (float temperature in new[] { 1f, 0.7f, 0.01f, 2f })
            foreach (float[] row in Rows(size))
            {
                float[] expectedSums = new float[SamplingKernels.NumBlocks(size, SamplingKernels.SumBlock)];
                float[] actualSums = new float[expectedSums.Length];
                float[] expected = new float[size], actual = new float[size];
                float max = row.Where(v => !float.IsNaN(v)).DefaultIfEmpty(float.NaN).Max();
                if (!float.IsFinite(max)) continue;

                double expectedTotal = Reference.SumExp(row, max, temperature, expectedSums);
                Reference.Exp(row, max, temperature, expected);
                double actualTotal = Kernels(variant).SumExp(row, max, temperature, actualSums);
                Kernels(variant).Exp(row, max, temperature, actual);

                AssertClose(expectedTotal, actualTotal);
                for (int i = 0; i < expectedSums.Length; i++) AssertClose(expectedSums[i], actualSums[i]);
                for (int i = 0; i < size; i++) AssertClose(expected[i], actual[i]);
            }
    }

    /// <summary>So that a seed draws the same tokens at every width. Hardware without fused multiplication and addition
    /// rounds differently.</summary>
    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void Sums_HaveTheSameBitsAtEveryWidth(string variant, int size)
    {
        if (!Fma.IsSupported && !AdvSimd.IsSupported) Assert.Skip("no fused multiplication and addition");
        if (variant == "scalar") return; // its exponential is another one
        SamplingKernels narrow = Kernels("vector128"), wide = Kernels(variant);
        foreach (float[] row in Rows(size))
        {
            float max = row.Where(v => !float.IsNaN(v)).DefaultIfEmpty(float.NaN).Max();
            if (!float.IsFinite(max)) continue;
            float[] sums = new float[SamplingKernels.NumBlocks(size, SamplingKernels.SumBlock)], weights = new float[size];
            float[] wideSums = new float[sums.Length], wideWeights = new float[size];

            double total = narrow.SumExp(row, max, 0.3f, sums), wideTotal = wide.SumExp(row, max, 0.3f, wideSums);
            narrow.Exp(row, max, 0.3f, weights);
            wide.Exp(row, max, 0.3f, wideWeights);

            Assert.Equal(BitConverter.DoubleToInt64Bits(total), BitConverter.DoubleToInt64Bits(wideTotal));
            Assert.Equal(sums, wideSums);
            Assert.Equal(weights, wideWeights);
            foreach (float threshold in new[] { float.NegativeInfinity, -3f, 5f })
                Assert.Equal(narrow.MassAtLeast(row, weights, threshold), wide.MassAtLeast(row, weights, threshold));
        }
    }

    // The exponent is a product with log2(e): its rounding grows with its size, so small weights are less exact.
    static void AssertClose(double expected, double actual)
    {
        double exponent = expected > 0 ? Math.Abs(Math.Log(Math.Min(expected, 1))) : 0;
        Assert.InRange(actual, expected * (1 - RelativeTolerance - 2e-7 * exponent) - SmallestWeight,
            expected * (1 + RelativeTolerance + 2e-7 * exponent) + SmallestWeight);
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void Collect_EqualsReference(string variant, int size)
    {
        foreach (float[] row in Rows(size))
            foreach (float threshold in new[] { float.MinValue, -3f, 5f, 100f })
            {
                float[] maxima = new float[SamplingKernels.NumBlocks(size, SamplingKernels.MaximaBlock)];
                Reference.BlockMaxima(row, maxima);
                float[] expectedValues = new float[size], actualValues = new float[size];
                int[] expectedIds = new int[size], actualIds = new int[size];

                int expected = Reference.Collect(row, maxima, threshold, expectedValues, expectedIds);
                int actual = Kernels(variant).Collect(row, maxima, threshold, actualValues, actualIds);

                Assert.Equal(expected, actual);
                Assert.Equal(expectedValues[..expected], actualValues[..actual]);
                Assert.Equal(expectedIds[..expected], actualIds[..actual]);
                Assert.Equal(Reference.CountAtLeast(row, threshold), Kernels(variant).CountAtLeast(row, threshold));
                Assert.Equal(Reference.CountAtLeast(row, 1.5f, 0.3f, threshold),
                    Kernels(variant).CountAtLeast(row, 1.5f, 0.3f, threshold));
            }
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void CollectBetween_EqualsReference(string variant, int size)
    {
        foreach (float[] row in Rows(size))
            foreach ((float low, float high) in new[] { (-3f, 5f), (float.NegativeInfinity, float.NaN), (2f, 2f) })
            {
                float[] weights = [.. Enumerable.Range(0, size).Select(i => (float)i)];
                float[] expectedValues = new float[size], expectedWeights = new float[size];
                float[] actualValues = [.. row], actualWeights = [.. weights];

                int expected = Reference.CollectBetween(row, weights, low, high, expectedValues, expectedWeights);
                int actual = Kernels(variant).CollectBetween(
                    actualValues, actualWeights, low, high, actualValues, actualWeights);

                Assert.Equal(expected, actual);
                Assert.Equal(expectedValues[..expected], actualValues[..actual]);
                Assert.Equal(expectedWeights[..expected], actualWeights[..actual]);
            }
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void MassAndRaceAndDivision_EqualReference(string variant, int size)
    {
        var random = new Random(size);
        float[] weights = [.. Enumerable.Range(0, size).Select(_ => (float)random.NextDouble())];
        float[] noise = [.. Enumerable.Range(0, size).Select(_ => (float)-Math.Log(1 - random.NextDouble()))];
        foreach (float[] row in Rows(size))
        {
            foreach (float threshold in new[] { float.NegativeInfinity, -3f, 5f, 100f })
                AssertClose(Reference.MassAtLeast(row, weights, threshold),
                    Kernels(variant).MassAtLeast(row, weights, threshold));
            float[] expected = [.. row], actual = [.. row];
            Reference.Divide(expected, 0.7f);
            Kernels(variant).Divide(actual, 0.7f);
            Assert.Equal(expected, actual);
        }
        Assert.Equal(Reference.Race(weights, noise), Kernels(variant).Race(weights, noise));
        Array.Fill(noise, 1);
        Array.Fill(weights, 0.5f);
        Assert.Equal(0, Kernels(variant).Race(weights, noise));
    }

    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void Thresholds_EqualASort(string variant, int size)
    {
        var random = new Random(size);
        float[] weights = [.. Enumerable.Range(0, size).Select(_ => (float)random.NextDouble())];
        float[] scratch = new float[2 * size];
        foreach (float[] row in Rows(size))
        {
            float[] sorted = [.. row.Where(v => !float.IsNaN(v)).OrderDescending()];
            foreach (int k in new[] { 1, 2, 40, 1000, sorted.Length })
                if (k > 0 && k <= sorted.Length)
                    Assert.Equal(sorted[k - 1], Kernels(variant).KthLargest(row, k));

            double total = Kernels(variant).MassAtLeast(row, weights, float.NegativeInfinity);
            foreach (double share in new[] { 0.001, 0.5, 0.9, 1.0 })
            {
                if (total == 0) continue;
                float cut = Kernels(variant).MassCut(row, weights, share * total, scratch);
                Assert.True(Kernels(variant).MassAtLeast(row, weights, cut) >= share * total);
                Assert.True(Kernels(variant).MassAtLeast(row, weights, MathF.BitIncrement(cut)) < share * total);
                Assert.Contains(cut, row);
            }
            Assert.Equal(float.NegativeInfinity, Kernels(variant).MassCut(row, weights, 2 * total + 1, scratch));
        }
    }

    /// <summary>Softmax weights, where the cut of a sample may be far off: a peak in one of few samples, equal values, a
    /// mask far below, weights that fall off within one sample.</summary>
    [Theory]
    [MemberData(nameof(VariantsAndSizes))]
    public void MassCut_EqualsBisection(string variant, int size)
    {
        var random = new Random(size);
        SamplingKernels kernels = Kernels(variant);
        float[] bell = [.. Enumerable.Range(0, size).Select(_ => (float)random.NextNormal(2.5))];
        float[][] rows =
        [
            bell,
            [.. bell.Select((v, i) => i % 1000 == 1 ? v + 14 : v)],
            [.. bell.Select(v => MathF.Round(v))],
            [.. bell.Select((v, i) => i % 4 == 1 ? v : -1e9f)],
            [.. bell.Select((_, i) => -i * 0.01f)],
            [.. bell.Select(_ => 3f)],
        ];
        foreach (float[] row in rows.Where(_ => size > 0))
            foreach (float temperature in new[] { 1f, 2f })
            {
                float[] weights = new float[size];
                kernels.Exp(row, row.Max(), temperature, weights);
                double total = kernels.MassAtLeast(row, weights, float.NegativeInfinity);
                foreach (double share in new[] { 0.3, 0.95, 0.999, 1 })
                    Assert.Equal(Bisect(kernels, row, weights, share * total),
                        kernels.MassCut(row, weights, share * total, new float[2 * size]));
            }
    }

    static float Bisect(SamplingKernels kernels, float[] values, float[] weights, double target)
    {
        long low = Thresholds.Key(float.NegativeInfinity), high = Thresholds.Key(float.PositiveInfinity) + 1L;
        while (high - low > 1)
        {
            long middle = (low + high) >> 1;
            if (kernels.MassAtLeast(values, weights, Thresholds.Value((int)middle)) >= target) low = middle;
            else high = middle;
        }
        return Thresholds.Value((int)low);
    }

    [Theory]
    [InlineData(1.7f)]
    [InlineData(0.01f)]
    [InlineData(1f)]
    [InlineData(2f)]
    public void LowestDividend_IsTheSmallestWithItsQuotient(float divisor)
    {
        var random = new Random(1);
        for (int i = 0; i < 10_000; i++)
        {
            float x = (float)(random.NextDouble() * 40 - 20);
            float lowest = Thresholds.LowestDividend(x / divisor, divisor, x);

            Assert.Equal(x / divisor, lowest / divisor);
            Assert.True(MathF.BitDecrement(lowest) / divisor < x / divisor);
        }
    }

    [Fact]
    public void Key_KeepsTheOrderOfFloats()
    {
        float[] ordered =
        [
            float.NegativeInfinity, float.MinValue, -1f, -float.Epsilon, -0f, 0f, float.Epsilon, 1f, float.MaxValue,
            float.PositiveInfinity,
        ];
        for (int i = 1; i < ordered.Length; i++)
            Assert.True(Thresholds.Key(ordered[i - 1]) < Thresholds.Key(ordered[i]));
        foreach (float value in ordered) Assert.Equal(value, Thresholds.Value(Thresholds.Key(value)));
    }
}
