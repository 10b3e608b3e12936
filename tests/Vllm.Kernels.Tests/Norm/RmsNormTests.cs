using Vllm.Kernels.Cpu.Norm;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Norm;

public class RmsNormTests
{
    /// <summary>Relative error: a few roundings, and those of the sum of squares halved by the root.</summary>
    const double Tolerance = 5e-7;

    const float Eps = 1e-5f;

    public static TheoryData<string> Variants() => [.. RmsNormKernel.Variants.Supported.Select(variant => variant.Name)];

    static nint Variant(string name) => RmsNormKernel.Variants.Supported.Single(variant => variant.Name == name).Kernel;

    [Theory]
    [MemberData(nameof(Variants))]
    public void Run_MatchesDoublePrecision(string variant)
    {
        using var team = new WorkerTeam(2);
        foreach (int width in new[] { 1, 3, 15, 16, 17, 63, 64, 65, 127, 576, 2048, 4097 })
            foreach (int numRows in new[] { 0, 1, 2, 33 })
                foreach (bool isAdd in new[] { false, true })
                {
                    var random = new Random(width);
                    using var x = new TestTensor(numRows, width, () => random.NextNormal(3));
                    using var residual = new TestTensor(numRows, width, () => random.NextNormal(2));
                    using var weight = new TestTensor(1, width, () => random.NextNormal());
                    float[] sums = [.. x.Span.ToArray().Zip(residual.Span.ToArray(), (a, b) => isAdd ? a + b : a)];

                    RmsNormKernel.Run(team, x, isAdd ? residual.Tensor : default, weight, Eps, x, Variant(variant));

                    if (isAdd) Assert.Equal(sums, residual.Span.ToArray());
                    for (int row = 0; row < numRows; row++)
                    {
                        float[] input = sums[(row * width)..((row + 1) * width)];
                        double scale = 1 / Math.Sqrt(input.Sum(a => (double)a * a) / width + Eps);
                        for (int i = 0; i < width; i++)
                        {
                            double expected = input[i] * scale * weight.Span[i];
                            Assert.Equal(expected, x.Span[row * width + i], Math.Abs(expected) * Tolerance);
                        }
                    }
                }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Run_GivesARowTheSameBits_WhateverTheOtherRows(string variant)
    {
        using var team = new WorkerTeam(2);
        var random = new Random(1);
        using var x = new TestTensor(50, 577, () => random.NextNormal());
        using var weight = new TestTensor(1, 577, () => random.NextNormal());
        using var together = new TestTensor(50, 577);
        using var alone = new TestTensor(1, 577);

        RmsNormKernel.Run(team, x, default, weight, Eps, together, Variant(variant));

        for (int row = 0; row < 50; row++)
        {
            using var one = new TestTensor(1, 577);
            x.Tensor.Row<float>(row).CopyTo(one.Span);
            RmsNormKernel.Run(team, one, default, weight, Eps, alone, Variant(variant));
            Assert.Equal(alone.Span.ToArray(), together.Tensor.Row<float>(row).ToArray());
        }
    }

    [Fact]
    public void Run_RejectsOtherShapes()
    {
        using var team = new WorkerTeam(1);
        using var x = new TestTensor(2, 8);
        using var weight = new TestTensor(1, 9);

        var error = Assert.Throws<ArgumentException>(() => RmsNormKernel.Run(team, x, weight, Eps, x));

        Assert.Contains("weight is F32[1, 9]; expected F32[1, 8]", error.Message);
    }
}
