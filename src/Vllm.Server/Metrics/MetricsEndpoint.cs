using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Http;
using Vllm.Server.Models;

namespace Vllm.Server.Metrics;

/// <summary><c>/metrics</c>: process, engine and HTTP metrics in Prometheus' text format.</summary>
sealed class MetricsEndpoint(AsyncLLM engine, HttpMetrics http, ServedModels models, ActiveRequests active)
{
    readonly double _created = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
    readonly EngineMetricsText _engineText = new(engine.Config, engine.Metrics, active);

    public Task Get(HttpContext context)
    {
        string model = models.Name;
        var process = new PrometheusText(_created);
        var labelled = new PrometheusText(_created, ("engine", "0"), ("model_name", model));
        var byModel = new PrometheusText(_created, ("model_name", model));
        var plain = new PrometheusText(_created);
        WriteProcess(process);
        _engineText.Write(labelled, byModel);
        http.Write(plain);

        context.Response.ContentType = $"text/plain; version={FormatVersion(context.Request)}; charset=utf-8";
        return context.Response.WriteAsync($"{process}{labelled}{byModel}{plain}");
    }

    /// <summary>vLLM names two versions of one format: its route's, and its mounted application's for all
    /// else.</summary>
    static string FormatVersion(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Path == "/metrics" ? "1.0.0" : "0.0.4";

    static void WriteProcess(PrometheusText text)
    {
        using var process = Process.GetCurrentProcess();
        text.Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", process.VirtualMemorySize64);
        text.Gauge("process_resident_memory_bytes", "Resident memory size in bytes.", process.WorkingSet64);
        text.Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
            new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0);
        text.Head("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter");
        text.Sample("process_cpu_seconds_total", [], process.TotalProcessorTime.TotalSeconds);
    }
}
