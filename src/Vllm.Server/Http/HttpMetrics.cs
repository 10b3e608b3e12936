using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Vllm.Engine.Metrics;
using Vllm.Server.Metrics;

namespace Vllm.Server.Http;

/// <summary>Counts and times of HTTP requests by route, with the names of vLLM's instrumentation.</summary>
sealed class HttpMetrics
{
    /// <summary>Probes and the metrics themselves would drown the rest.</summary>
    static readonly HashSet<string> Uncounted = ["/metrics", "/health", "/load", "/ping", "/version", "/server_info"];

    readonly Lock _gate = new();
    readonly OrderedDictionary<(string Handler, string Method, string Status), long> _requests = [];
    readonly OrderedDictionary<(string Handler, string Method), Histogram> _durations = [];
    readonly OrderedDictionary<string, Sizes> _sizes = [];
    readonly Histogram _allDurations =
        new(.01, .025, .05, .075, .1, .25, .5, .75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60);

    readonly record struct Sizes(long Count, long RequestBytes, long ResponseBytes);

    public async Task Invoke(HttpContext context, RequestDelegate next)
    {
        string path = context.Request.Path.Value ?? "";
        if (Uncounted.Contains(path.TrimEnd('/')))
        {
            await next(context);
            return;
        }
        long start = Stopwatch.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            bool isKnown = context.Items.ContainsKey(RouteForms.IsKnownRoute);
            Record(context, isKnown ? path : "none", Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    void Record(HttpContext context, string handler, double seconds)
    {
        string method = context.Request.Method;
        string status = $"{context.Response.StatusCode / 100}xx";
        lock (_gate)
        {
            _requests[(handler, method, status)] = _requests.GetValueOrDefault((handler, method, status)) + 1;
            Sizes sizes = _sizes.GetValueOrDefault(handler);
            _sizes[handler] = new Sizes(sizes.Count + 1,
                sizes.RequestBytes + (context.Request.ContentLength ?? 0),
                sizes.ResponseBytes + (context.Response.ContentLength ?? 0));
            if (!_durations.TryGetValue((handler, method), out Histogram? durations))
                _durations[(handler, method)] = durations = new Histogram(.1, .5, 1);
            durations.Record(seconds);
            _allDurations.Record(seconds);
        }
    }

    public void Write(PrometheusText text)
    {
        lock (_gate)
        {
            const string RequestsHelp = "Total number of requests by method, status and handler.";
            text.Head("http_requests_total", RequestsHelp, "counter");
            foreach ((var key, long count) in _requests) text.Sample("http_requests_total", Labels(key), count);
            text.Created("http_requests", RequestsHelp, _requests.Keys.Select(Labels));

            WriteSizes(text, "http_request_size_bytes", "incoming requests", s => s.RequestBytes);
            WriteSizes(text, "http_response_size_bytes", "outgoing responses", s => s.ResponseBytes);
            text.Histogram("http_request_duration_highr_seconds", "Latency with many buckets but no API specific labels. "
                + "Made for more accurate percentile calculations. ", _allDurations);

            const string DurationHelp = "Latency with only few buckets by handler. "
                + "Made to be only used if aggregation by handler is important. ";
            text.HistogramHead("http_request_duration_seconds", DurationHelp);
            foreach ((var key, Histogram histogram) in _durations)
                text.HistogramSamples("http_request_duration_seconds", histogram, Labels(key));
            text.Created("http_request_duration_seconds", DurationHelp, _durations.Keys.Select(Labels));
        }
    }

    void WriteSizes(PrometheusText text, string name, string what, Func<Sizes, long> sum)
    {
        string help = $"Content length of {what} by handler. Only value of header is respected. "
            + "Otherwise ignored. No percentile calculated. ";
        text.Head(name, help, "summary");
        foreach ((string handler, Sizes sizes) in _sizes)
        {
            text.Sample($"{name}_count", [("handler", handler)], sizes.Count);
            text.Sample($"{name}_sum", [("handler", handler)], sum(sizes));
        }
        text.Created(name, help, _sizes.Keys.Select(handler => new[] { ("handler", handler) }));
    }

    static (string, string)[] Labels((string Handler, string Method, string Status) key) =>
        [("handler", key.Handler), ("method", key.Method), ("status", key.Status)];

    static (string, string)[] Labels((string Handler, string Method) key) => [("handler", key.Handler), ("method", key.Method)];
}
