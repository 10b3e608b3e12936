using System.Text.Json;

namespace Vllm.Server.Protocol;

/// <summary>The <c>metrics</c> member of an answer (<c>--enable-per-request-metrics</c>).</summary>
static class MetricsJson
{
    /// <summary>In a whole answer: every field, or null for all.</summary>
    public static void WriteWhole(Utf8JsonWriter json, RequestMetrics? metrics)
    {
        if (metrics is null)
        {
            json.WriteNull("metrics");
            return;
        }
        WriteTimes(json, metrics);
        if (metrics.NumGenerationTokens < 2) json.WriteNull("mean_itl_ms");
        json.WriteNull("speculative_decoding");
        json.WriteEndObject();
    }

    /// <summary>In a stream's last chunk: without nulls.</summary>
    public static void WriteFinal(Utf8JsonWriter json, RequestMetrics? metrics)
    {
        if (metrics is null) return;
        WriteTimes(json, metrics);
        json.WriteEndObject();
    }

    static void WriteTimes(Utf8JsonWriter json, RequestMetrics metrics)
    {
        // First step to last token.
        TimeSpan generation = metrics.PrefillTime + metrics.DecodeTime;
        json.WriteStartObject("metrics");
        json.WriteNumber("time_to_first_token_ms", metrics.TimeToFirstToken.TotalMilliseconds);
        json.WriteNumber("generation_time_ms", generation.TotalMilliseconds);
        json.WriteNumber("queue_time_ms", metrics.QueueTime.TotalMilliseconds);
        if (metrics.NumGenerationTokens > 1)
            json.WriteNumber("mean_itl_ms", metrics.TimePerOutputToken.TotalMilliseconds);
        double seconds = Math.Max(generation.TotalSeconds, TimeSpan.FromMicroseconds(1).TotalSeconds);
        json.WriteNumber("tokens_per_second", metrics.NumGenerationTokens / seconds);
    }
}
