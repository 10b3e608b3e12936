namespace Vllm.Cli.Benchmarks;

/// <summary>Summaries of measured values, as numpy computes them; of no values they are 0, as in vLLM's reports.
/// </summary>
static class Statistics
{
    public static double Mean(IReadOnlyCollection<double> values) => values.Count == 0 ? 0 : values.Average();

    /// <summary>Of the values themselves, not an estimate for more of them.</summary>
    public static double StandardDeviation(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0) return 0;
        double mean = values.Average();
        return Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
    }

    /// <summary>Between the two nearest values.</summary>
    /// <param name="sorted">In rising order.</param>
    /// <param name="percentile">0 to 100.</param>
    public static double Percentile(double[] sorted, double percentile)
    {
        if (sorted.Length == 0) return 0;
        double position = (sorted.Length - 1) * percentile / 100;
        int lower = (int)position;
        int upper = Math.Min(lower + 1, sorted.Length - 1);
        return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - lower);
    }
}
