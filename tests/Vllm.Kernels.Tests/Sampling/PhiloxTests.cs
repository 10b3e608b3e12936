using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

public class PhiloxTests
{
    /// <summary>Known answers of the authors' library Random123 (kat_vectors, philox4x32 10).</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0ul, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xfffffffffffffffful,
        0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0x299f31d0a4093822ul,
        0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Generate_GivesKnownAnswers(
        uint c0, uint c1, uint c2, uint c3, ulong key, uint a, uint b, uint c, uint d) =>
        Assert.Equal((a, b, c, d), Philox.Generate(key, c0, c1, c2, c3));

    [Fact]
    public void Exponential_OfAnIdDoesNotDependOnTheOthers()
    {
        int[] ids = [.. Enumerable.Range(0, 1000)];
        float[] all = new float[ids.Length], one = new float[1];
        Philox.Exponential(seed: 7, position: 3, stream: 0, ids, all);

        foreach (int id in ids)
        {
            Philox.Exponential(seed: 7, position: 3, stream: 0, [id], one);
            Assert.Equal(all[id], one[0]);
        }
    }

    [Fact]
    public void Exponential_HasRateOne()
    {
        int[] ids = [.. Enumerable.Range(0, 200_000)];
        float[] noise = new float[ids.Length];
        Philox.Exponential(seed: 1, position: 0, stream: 0, ids, noise);

        // Mean 1 and variance 1: five standard errors.
        double mean = noise.Average(v => (double)v), variance = noise.Average(v => (v - mean) * (v - mean));
        Assert.InRange(mean, 1 - 0.012, 1 + 0.012);
        Assert.InRange(variance, 1 - 0.04, 1 + 0.04);
        Assert.All(noise, v => Assert.True(v > 0));
        Assert.InRange(noise.Count(v => v < 0.01f) / (double)noise.Length, 0.0088, 0.0111);
    }
}
