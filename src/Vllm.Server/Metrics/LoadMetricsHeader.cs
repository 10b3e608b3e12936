using Microsoft.AspNetCore.Http;
using Vllm.Engine.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.Metrics;

/// <summary>Tells a load balancer how busy the engine is, when its request asks by <c>endpoint-load-metrics-format</c> (the
/// Open Request Cost Aggregation header). Whole answers only, as in vLLM.</summary>
static class LoadMetricsHeader
{
    public static void Add(HttpContext context, EngineMetrics metrics)
    {
        string waiting = PythonText.Float(metrics.NumRequestsWaiting), usage = PythonText.Float(metrics.KvCacheUsage);
        string? value = context.Request.Headers["endpoint-load-metrics-format"].ToString() switch
        {
            "TEXT" => $"TEXT named_metrics.num_requests_waiting={waiting}, named_metrics.kv_cache_usage_perc={usage}",
            "JSON" => $"JSON {{\"named_metrics\": {{\"num_requests_waiting\": {waiting}, \"kv_cache_usage_perc\": {usage}}}}}",
            _ => null,
        };
        if (value is not null) context.Response.Headers["endpoint-load-metrics"] = value;
    }
}
