using System.Globalization;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>Bounds in seconds that a good request keeps; null where there is none.</summary>
sealed record ServiceLevels(double? Ttft, double? Tpot, double? E2el)
{
    /// <summary>From <c>ttft:500 tpot:50</c>, in milliseconds; null when there are none.</summary>
    public static ServiceLevels? Parse(IReadOnlyList<string> pairs)
    {
        var levels = new ServiceLevels(null, null, null);
        foreach (string pair in pairs)
        {
            if (pair.Split(':') is not [string name, string text]
                || !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double ms) || ms < 0)
            {
                throw new UsageException($"--goodput: '{pair}' is not METRIC:MILLISECONDS");
            }
            levels = name switch
            {
                "ttft" => levels with { Ttft = ms / 1000 },
                "tpot" => levels with { Tpot = ms / 1000 },
                "e2el" => levels with { E2el = ms / 1000 },
                _ => throw new UsageException($"--goodput: '{name}' is none of ttft, tpot, e2el"),
            };
        }
        return pairs.Count == 0 ? null : levels;
    }

    public bool AreKept(RequestOutcome outcome) =>
        !(outcome.Ttft > Ttft) && !(outcome.Tpot > Tpot) && !(outcome.Latency > E2el);
}

/// <summary>A quantity of which mean, median and percentiles are reported; seconds.</summary>
sealed record Metric(string Key, string Name, string Title, double[] Sorted);

/// <summary>What a run of requests amounts to; vLLM's definitions.</summary>
sealed class ServeMetrics
{
    public static IReadOnlyList<string> Names { get; } =
        ["ttft", "tpot", "itl", "e2el", "client_queue_time", "e2el_including_client_queue"];

    readonly RequestOutcome[] _good;

    public ServeMetrics(IReadOnlyList<RequestOutcome> outcomes, double durationSeconds, ServiceLevels? levels)
    {
        Outcomes = outcomes;
        DurationSeconds = durationSeconds;
        _good = [.. outcomes.Where(outcome => outcome.IsSuccess)];
        NumInputTokens = _good.Sum(outcome => (long)outcome.NumPromptTokens);
        NumOutputTokens = _good.Sum(outcome => (long)outcome.NumOutputTokens);
        Goodput = levels is null ? null : _good.Count(levels.AreKept) / durationSeconds;
        PeakTokensPerSecond = PeakTokens();
        PeakConcurrency = PeakRequests();
    }

    public IReadOnlyList<RequestOutcome> Outcomes { get; }

    public double DurationSeconds { get; }

    public int NumCompleted => _good.Length;

    public int NumFailed => Outcomes.Count - _good.Length;

    public long NumInputTokens { get; }

    public long NumOutputTokens { get; }

    public double RequestThroughput => NumCompleted / DurationSeconds;

    /// <summary>Requests per second that kept the service levels; null when there are none.</summary>
    public double? Goodput { get; }

    public double OutputThroughput => NumOutputTokens / DurationSeconds;

    public double TotalThroughput => (NumInputTokens + NumOutputTokens) / DurationSeconds;

    /// <summary>Most token chunks in a second of the run.</summary>
    public double PeakTokensPerSecond { get; }

    public int PeakConcurrency { get; }

    public Metric Of(string key) => key switch
    {
        "ttft" => Make(key, "TTFT", "Time to First Token", _good.Select(x => x.Ttft)),
        "tpot" => Make(key, "TPOT", "Time per Output Token (excl. 1st token)",
            _good.Where(x => x.NumOutputTokens > 1).Select(x => x.Tpot)),
        "itl" => Make(key, "ITL", "Inter-token Latency", _good.SelectMany(x => x.Itl)),
        "e2el" => Make(key, "E2EL", "End-to-end Latency", _good.Select(x => x.Latency)),
        "client_queue_time" => Make(
            key, "Client Queue Time", "Client-side Queueing", _good.Select(x => x.QueueTime)),
        "e2el_including_client_queue" => Make(key, "E2EL incl. Client Queue", "Queue-inclusive End-to-end Latency",
            _good.Select(x => x.Latency + x.QueueTime)),
        _ => throw new ArgumentOutOfRangeException(nameof(key), key, null),
    };

    static Metric Make(string key, string name, string title, IEnumerable<double> values) =>
        new(key, name, title, [.. values.Order()]);

    /// <summary>By seconds from the first request, each chunk as one token.</summary>
    double PeakTokens()
    {
        if (_good.Length == 0) return 0;
        double start = _good.Min(outcome => outcome.StartTime);
        double end = _good.Max(outcome => outcome.StartTime + outcome.Latency);
        long[] numTokens = new long[(int)Math.Ceiling(end - start) + 1];
        foreach (RequestOutcome outcome in _good)
        {
            double time = outcome.StartTime - start + outcome.Ttft;
            numTokens[Math.Min((int)time, numTokens.Length - 1)]++;
            foreach (double gap in outcome.Itl) numTokens[Math.Min((int)(time += gap), numTokens.Length - 1)]++;
        }
        return numTokens.Max();
    }

    /// <summary>A request that ends when another starts does not overlap it.</summary>
    int PeakRequests()
    {
        int current = 0, peak = 0;
        var events = _good.SelectMany(outcome => ((double Time, int Change)[])
            [(outcome.StartTime, 1), (outcome.StartTime + outcome.Latency, -1)]).Order();
        foreach ((_, int change) in events) peak = Math.Max(peak, current += change);
        return peak;
    }
}
