using Vllm.Cli.Benchmarks;
using Vllm.Cli.Benchmarks.Serving;

namespace Vllm.Tests.Benchmarks;

public sealed class ArrivalTimesTests
{
    const int Count = 20_000;
    const double Rate = 8;

    /// <summary>The intervals of a gamma distribution of shape k vary by 1/√k of their mean.</summary>
    [Theory]
    [InlineData(0.25)]
    [InlineData(1)]
    [InlineData(4)]
    public void Draw_HasRateAndBurstiness(double burstiness)
    {
        double[] times = ArrivalTimes.Draw(Count, Rate, burstiness, rampUp: null, new Random(5));

        double[] intervals = [.. times.Zip(times.Skip(1), (a, b) => b - a)];
        double variation = Statistics.StandardDeviation(intervals) / Statistics.Mean(intervals);
        Assert.Equal(Count / Rate, times[^1], 1e-6);
        Assert.InRange(variation * Math.Sqrt(burstiness), 0.95, 1.05);
        Assert.Equal(times.Order(), times);
    }

    [Fact]
    public void Draw_WithoutRateIsAllAtOnce() => Assert.All(
        ArrivalTimes.Draw(10, double.PositiveInfinity, 1, rampUp: null, new Random(5)), time => Assert.Equal(0, time));

    [Fact]
    public void Draw_WithInfiniteBurstinessIsEven() => Assert.Equal(
        [0.5, 1, 1.5, 2], ArrivalTimes.Draw(4, 2, double.PositiveInfinity, rampUp: null, new Random(5)));

    [Theory]
    [InlineData(false, 5.5)]
    [InlineData(true, 3.1622776601683795)]
    public void RampUp_GoesFromStartToEnd(bool isExponential, double middle)
    {
        var ramp = new RampUp(isExponential, StartRps: 1, EndRps: 10);

        Assert.Equal(1, ramp.RateAt(0, 101), 1e-12);
        Assert.Equal(middle, ramp.RateAt(50, 101), 1e-12);
        Assert.Equal(10, ramp.RateAt(100, 101), 1e-12);
    }
}
