using Vllm.Cli.Benchmarks;

namespace Vllm.Tests.Benchmarks;

/// <summary>Expected values are numpy's.</summary>
public sealed class StatisticsTests
{
    static readonly double[] Values = [1, 2, 4, 8, 16];

    [Theory]
    [InlineData(0, 1)]
    [InlineData(50, 4)]
    [InlineData(99, 15.68)]
    [InlineData(37.5, 3)]
    [InlineData(100, 16)]
    public void Percentile_LiesBetweenNeighbours(double percentile, double expected) =>
        Assert.Equal(expected, Statistics.Percentile(Values, percentile), 1e-12);

    [Fact]
    public void StandardDeviation_IsOfThePopulation()
    {
        Assert.Equal(6.2, Statistics.Mean(Values), 1e-12);
        Assert.Equal(5.455272678794342, Statistics.StandardDeviation(Values), 1e-12);
    }

    [Fact]
    public void OfNothing_IsZero()
    {
        Assert.Equal(0, Statistics.Mean([]));
        Assert.Equal(0, Statistics.StandardDeviation([]));
        Assert.Equal(0, Statistics.Percentile([], 99));
    }
}
