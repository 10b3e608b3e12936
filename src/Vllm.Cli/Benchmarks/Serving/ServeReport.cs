using System.Globalization;
using System.Text.Json.Nodes;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>vLLM's printed block and result file; people parse both.</summary>
/// <param name="arguments">What was asked for.</param>
/// <param name="metrics">What came out.</param>
/// <param name="modelId">The model.</param>
/// <param name="specDecode">What the server counted meanwhile; null when it does not speculate.</param>
sealed class ServeReport(
    BenchServeArguments arguments, ServeMetrics metrics, string modelId, SpecDecodeCounters? specDecode = null)
{
    const int Width = 50;

    /// <summary>Fields with a value per request, kept with --save-detailed only.</summary>
    static readonly string[] DetailedFields =
        ["input_lens", "output_lens", "start_times", "ttfts", "itls", "generated_texts", "errors"];

    readonly DateTime _now = DateTime.Now;

    bool CountsTokens => !arguments.SkipTokenizerInit;

    public void Print(TextWriter writer)
    {
        writer.WriteLine(Title(" Serving Benchmark Result ", '='));
        Line("Successful requests:", $"{metrics.NumCompleted}");
        Line("Failed requests:", $"{metrics.NumFailed}");
        if (arguments.MaxConcurrency is int max) Line("Maximum request concurrency:", $"{max}");
        if (!double.IsInfinity(arguments.RequestRate)) Number("Request rate configured (RPS):", arguments.RequestRate);
        Number("Benchmark duration (s):", metrics.DurationSeconds);
        Line("Total input tokens:", $"{metrics.NumInputTokens}");
        if (CountsTokens) Line("Total generated tokens:", $"{metrics.NumOutputTokens}");
        Number("Request throughput (req/s):", metrics.RequestThroughput);
        if (metrics.Goodput is double goodput) Number("Request goodput (req/s):", goodput);
        if (CountsTokens) Number("Output token throughput (tok/s):", metrics.OutputThroughput);
        if (CountsTokens) Number("Peak output token throughput (tok/s):", metrics.PeakTokensPerSecond);
        Number("Peak concurrent requests:", metrics.PeakConcurrency);
        if (CountsTokens) Number("Total token throughput (tok/s):", metrics.TotalThroughput);
        foreach (Metric metric in SelectedMetrics()) PrintMetric(metric);
        if (specDecode is not null) PrintSpecDecode(specDecode);
        writer.WriteLine(new string('=', Width));

        void PrintMetric(Metric metric)
        {
            writer.WriteLine(Title(metric.Title, '-'));
            Number($"Mean {metric.Name} (ms):", 1000 * Statistics.Mean(metric.Sorted));
            Number($"Median {metric.Name} (ms):", 1000 * Statistics.Percentile(metric.Sorted, 50));
            foreach (double percentile in arguments.MetricPercentiles)
                Number($"P{Word(percentile)} {metric.Name} (ms):", 1000 * Statistics.Percentile(metric.Sorted, percentile));
        }

        void PrintSpecDecode(SpecDecodeCounters counters)
        {
            writer.WriteLine(Title("Speculative Decoding", '-'));
            Number("Acceptance rate (%):", counters.AcceptanceRate);
            Number("Acceptance length:", counters.AcceptanceLength);
            Line("Drafts:", $"{counters.NumDrafts}");
            Line("Draft tokens:", $"{counters.NumDraftTokens}");
            Line("Accepted tokens:", $"{counters.NumAcceptedTokens}");
            if (counters.AcceptedPerPosition.Count > 0) writer.WriteLine("Per-position acceptance (%):");
            foreach ((int i, double rate) in counters.AcceptanceRatePerPosition.Index())
                Number($"  Position {i}:", 100 * rate);
        }

        void Number(string label, double value) => Line(label, value.ToString("F2", CultureInfo.InvariantCulture));

        void Line(string label, string value) => writer.WriteLine($"{label,-40} {value,-10}");
    }

    /// <summary>Writes the file when one is asked for.</summary>
    /// <returns>Its path, or null.</returns>
    public string? Save(JsonArray? rateChanges)
    {
        if (!arguments.SaveResult && !arguments.AppendResult) return null;
        string path = Path.Combine(arguments.ResultDir ?? "", arguments.ResultFilename ?? DefaultFileName());
        if (arguments.ResultDir is { } folder) Directory.CreateDirectory(folder);
        string json = ToJson(rateChanges).ToJsonString();
        if (!arguments.AppendResult) File.WriteAllText(path, json);
        else File.AppendAllText(path, File.Exists(path) && new FileInfo(path).Length > 0 ? "\n" + json : json);
        return path;
    }

    public JsonObject ToJson(JsonArray? rateChanges)
    {
        JsonObject result = Setup();
        AddTotals(result);
        AddDetails(result);
        if (rateChanges is not null) result["rps_change_events"] = rateChanges.DeepClone();
        specDecode?.AddTo(result);
        foreach (Metric metric in SelectedMetrics()) AddMetric(result, metric);
        if (!arguments.SaveDetailed)
            foreach (string field in DetailedFields) result.Remove(field);
        return result;
    }

    JsonObject Setup()
    {
        var result = new JsonObject
        {
            ["date"] = Timestamp(),
            ["endpoint_type"] = arguments.Backend,
            ["backend"] = arguments.Backend,
            ["label"] = arguments.Label,
            ["model_id"] = modelId,
            ["tokenizer_id"] = arguments.SkipTokenizerInit ? null : arguments.Tokenizer ?? modelId,
            ["num_prompts"] = arguments.Dataset.NumPrompts,
        };
        foreach (string item in arguments.Metadata)
        {
            int equals = item.IndexOf('=', StringComparison.Ordinal);
            result[item[..equals].Trim()] = item[(equals + 1)..].Trim();
        }
        result["request_rate"] = FiniteOrInf(arguments.RequestRate);
        result["burstiness"] = FiniteOrInf(arguments.Burstiness);
        result["max_concurrency"] = arguments.MaxConcurrency;
        if (arguments.RampUpStrategy is not { } strategy) return result;
        result["ramp_up_strategy"] = strategy;
        result["ramp_up_start_rps"] = arguments.RampUpStartRps;
        result["ramp_up_end_rps"] = arguments.RampUpEndRps;
        return result;
    }

    void AddTotals(JsonObject result)
    {
        result["duration"] = metrics.DurationSeconds;
        result["completed"] = metrics.NumCompleted;
        result["failed"] = metrics.NumFailed;
        result["total_input_tokens"] = metrics.NumInputTokens;
        result["total_output_tokens"] = metrics.NumOutputTokens;
        result["request_throughput"] = metrics.RequestThroughput;
        result["request_goodput"] = metrics.Goodput;
        result["output_throughput"] = metrics.OutputThroughput;
        result["total_token_throughput"] = metrics.TotalThroughput;
    }

    void AddDetails(JsonObject result)
    {
        result["input_lens"] = List(outcome => outcome.NumPromptTokens);
        result["output_lens"] = List(outcome => outcome.NumOutputTokens);
        result["ttfts"] = List(outcome => outcome.Ttft);
        result["itls"] = List(outcome => new JsonArray([.. outcome.Itl.Select(gap => JsonValue.Create(gap))]));
        result["latencies"] = List(outcome => outcome.Latency);
        result["start_times"] = List(outcome => outcome.StartTime);
        result["queue_times"] = List(outcome => outcome.QueueTime);
        result["generated_texts"] = List(outcome => outcome.Text);
        result["errors"] = List(outcome => outcome.Error);
        result["max_output_tokens_per_s"] = metrics.PeakTokensPerSecond;
        result["max_concurrent_requests"] = metrics.PeakConcurrency;
        result["rtfx"] = 0.0;

        JsonArray List(Func<RequestOutcome, JsonNode?> value) => [.. metrics.Outcomes.Select(value)];
    }

    void AddMetric(JsonObject result, Metric metric)
    {
        result[$"mean_{metric.Key}_ms"] = 1000 * Statistics.Mean(metric.Sorted);
        result[$"median_{metric.Key}_ms"] = 1000 * Statistics.Percentile(metric.Sorted, 50);
        result[$"std_{metric.Key}_ms"] = 1000 * Statistics.StandardDeviation(metric.Sorted);
        foreach (double percentile in arguments.MetricPercentiles)
            result[$"p{Word(percentile)}_{metric.Key}_ms"] = 1000 * Statistics.Percentile(metric.Sorted, percentile);
    }

    /// <summary>In vLLM's order; what needs token counts or a queue is left out without them.</summary>
    IEnumerable<Metric> SelectedMetrics()
    {
        string[] selected = arguments.PercentileMetrics.Split(',');
        return ServeMetrics.Names.Where(key => selected.Contains(key) && key switch
        {
            "ttft" or "tpot" or "itl" => CountsTokens,
            "client_queue_time" => arguments.MaxConcurrency is not null,
            "e2el_including_client_queue" =>
                arguments.MaxConcurrency is not null && !double.IsInfinity(arguments.RequestRate),
            _ => true,
        }).Select(metrics.Of);
    }

    string DefaultFileName()
    {
        string label = arguments.Label ?? arguments.Backend;
        string concurrency = arguments.MaxConcurrency is int max ? $"-concurrency{max}" : "";
        string rate = arguments.RampUp is { } ramp
            ? $"ramp-up-{arguments.RampUpStrategy}-{ramp.StartRps}qps-{ramp.EndRps}qps"
            : $"{PythonNumber.Of(arguments.RequestRate)}qps";
        return $"{label}-{rate}{concurrency}-{modelId.Split('/')[^1]}-{Timestamp()}.json";
    }

    string Timestamp() => _now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);

    static JsonNode FiniteOrInf(double value) => double.IsInfinity(value) ? "inf" : value;

    static string Word(double percentile) => percentile.ToString(CultureInfo.InvariantCulture);

    static string Title(string text, char fill)
    {
        int left = (Width - text.Length) / 2;
        return new string(fill, left) + text + new string(fill, Width - text.Length - left);
    }
}
