namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>A request rate that grows from the first request to the last.</summary>
/// <param name="IsExponential">By equal factors; else by equal steps.</param>
/// <param name="StartRps">Requests per second at the first.</param>
/// <param name="EndRps">Requests per second at the last.</param>
sealed record RampUp(bool IsExponential, int StartRps, int EndRps)
{
    public double RateAt(int index, int count)
    {
        double progress = (double)index / Math.Max(count - 1, 1);
        return IsExponential
            ? StartRps * Math.Pow((double)EndRps / StartRps, progress)
            : StartRps + (EndRps - StartRps) * progress;
    }
}

/// <summary>When requests are sent: intervals of a gamma distribution, vLLM's model of traffic.</summary>
static class ArrivalTimes
{
    /// <summary>Seconds from the start for each request, rising. The last is sent at count / rate whatever was drawn,
    /// so that runs compare.</summary>
    /// <param name="count">Requests.</param>
    /// <param name="rate">Requests per second; infinite: all at once.</param>
    /// <param name="burstiness">1: a Poisson process; less: in bursts; more: evenly; infinite: by the clock.</param>
    /// <param name="rampUp">Takes the place of the rate.</param>
    /// <param name="random">Draws the intervals.</param>
    public static double[] Draw(int count, double rate, double burstiness, RampUp? rampUp, Random random)
    {
        double[] times = new double[count];
        double time = 0;
        for (int i = 0; i < count; i++)
        {
            double mean = 1 / (rampUp?.RateAt(i, count) ?? rate);
            time += mean == 0 || double.IsInfinity(burstiness) ? mean : mean / burstiness * Gamma(burstiness, random);
            times[i] = time;
        }
        if (rampUp is null && time > 0)
            for (int i = 0; i < count; i++) times[i] *= count / rate / time;
        return times;
    }

    /// <summary>A draw from the gamma distribution of scale 1 (Marsaglia and Tsang, 2000).</summary>
    static double Gamma(double shape, Random random)
    {
        // A shape below 1 is one more, scaled down.
        if (shape < 1) return Gamma(shape + 1, random) * Math.Pow(1 - random.NextDouble(), 1 / shape);
        double d = shape - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = Normal(random);
            double v = Math.Pow(1 + c * x, 3);
            if (v > 0 && Math.Log(1 - random.NextDouble()) < 0.5 * x * x + d - d * v + d * Math.Log(v)) return d * v;
        }
    }

    static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
