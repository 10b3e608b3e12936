using Vllm.Kernels.Formats;

namespace Vllm.Tests.Formats;

public class RandomWeightsTests
{
    const float Deviation = 0.022f;
    const int NumValues = 256 * 2048;

    public static TheoryData<GgmlType> Types() => [.. Enum.GetValues<GgmlType>().Where(RandomWeights.IsSupported)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Fill_HasMeanAndDeviation(GgmlType type)
    {
        var weights = new byte[GgmlTypes.RowSizeBytes(type, NumValues)];
        var values = new float[NumValues];

        RandomWeights.Fill(type, weights, Deviation, seed: 3);
        Dequantizer.Dequantize(type, weights, values);

        double mean = values.Average(value => (double)value);
        double deviation = Math.Sqrt(values.Average(value => (double)value * value));
        Assert.All(values, value => Assert.True(float.IsFinite(value)));
        Assert.InRange(deviation / Deviation, 0.98, 1.02);
        Assert.InRange(mean / Deviation, -0.02, 0.02);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Fill_IsDecidedByTheSeed(GgmlType type)
    {
        Assert.Equal(Fill(type, seed: 1), Fill(type, seed: 1));
        Assert.NotEqual(Fill(type, seed: 1), Fill(type, seed: 2));
    }

    [Fact]
    public void Fill_RefusesOtherTypes() => Assert.Throws<NotSupportedException>(() => Fill(GgmlType.IQ1_S, seed: 1));

    static byte[] Fill(GgmlType type, ulong seed)
    {
        var weights = new byte[GgmlTypes.RowSizeBytes(type, 512)];
        RandomWeights.Fill(type, weights, Deviation, seed);
        return weights;
    }
}
