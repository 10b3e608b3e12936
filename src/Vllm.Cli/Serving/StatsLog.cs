using System.Globalization;
using Vllm.Engine.Metrics;

namespace Vllm.Cli.Serving;

/// <summary>vLLM's line of throughput and load, every ten seconds (VLLM_LOG_STATS_INTERVAL) while there is traffic
/// and once
/// after it.</summary>
sealed class StatsLog : IAsyncDisposable
{
    const double DefaultSeconds = 10;

    readonly Log _log;
    readonly EngineMetrics _metrics;
    readonly string _device;
    readonly PeriodicTimer _timer;
    readonly Task _loop;

    public StatsLog(Log log, AsyncLLM engine)
    {
        _log = log;
        _metrics = engine.Metrics;
        _device = engine.Config.DeviceName.Split(' ')[0];
        _timer = new PeriodicTimer(Interval());
        _loop = RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _loop;
    }

    static TimeSpan Interval()
    {
        string? text = Environment.GetEnvironmentVariable("VLLM_LOG_STATS_INTERVAL");
        bool isGiven = double.TryParse(text, CultureInfo.InvariantCulture, out double seconds) && seconds > 0;
        return TimeSpan.FromSeconds(isGiven ? seconds : DefaultSeconds);
    }

    async Task RunAsync()
    {
        var last = new Counters(_metrics);
        bool wasIdle = true;
        while (await _timer.WaitForNextTickAsync())
        {
            var now = new Counters(_metrics);
            int numRequests = _metrics.NumRequestsRunning + _metrics.NumRequestsWaiting;
            bool isIdle = now.NumTokens == last.NumTokens && numRequests == 0;
            if (!isIdle || !wasIdle) _log.Info(Line(last, now, _timer.Period.TotalSeconds));
            last = now;
            wasIdle = isIdle;
        }
    }

    string Line(in Counters last, in Counters now, double seconds)
    {
        double promptRate = (now.NumPromptTokens - last.NumPromptTokens) / seconds;
        double generationRate = (now.NumGenerationTokens - last.NumGenerationTokens) / seconds;
        long numPreemptions = now.NumPreemptions - last.NumPreemptions;
        string preemptions = numPreemptions > 0 ? $", Preemptions: {numPreemptions}" : "";
        double hitRate = 100.0 * _metrics.PrefixCacheHits / Math.Max(1, _metrics.PrefixCacheQueries);
        return string.Create(CultureInfo.InvariantCulture,
            $"Engine 000: Avg prompt throughput: {promptRate:F1} tokens/s, "
            + $"Avg generation throughput: {generationRate:F1} tokens/s, "
            + $"Running: {_metrics.NumRequestsRunning} reqs, Waiting: {_metrics.NumRequestsWaiting} reqs{preemptions}, "
            + $"{_device} KV cache usage: {100 * _metrics.KvCacheUsage:F1}%, Prefix cache hit rate: {hitRate:F1}%");
    }

    /// <summary>Totals since the start.</summary>
    readonly struct Counters(EngineMetrics metrics)
    {
        public readonly long NumPromptTokens = metrics.NumPromptTokens;
        public readonly long NumGenerationTokens = metrics.NumGenerationTokens;
        public readonly long NumPreemptions = metrics.NumPreemptions;

        public long NumTokens => NumPromptTokens + NumGenerationTokens;
    }
}
