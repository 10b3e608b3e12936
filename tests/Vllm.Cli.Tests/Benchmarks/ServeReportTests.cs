using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks.Serving;

namespace Vllm.Tests.Benchmarks;

public sealed class ServeReportTests
{
    static readonly RequestOutcome[] Outcomes =
    [
        new() { StartTime = 0, Ttft = 0.1, Latency = 1.1, Itl = [0.5, 0.5], NumPromptTokens = 10, NumOutputTokens = 3 },
        new() { StartTime = 0.5, Ttft = 0.3, Latency = 0.3, NumPromptTokens = 20, NumOutputTokens = 1, QueueTime = 0.2 },
        new() { StartTime = 1.1, Ttft = 0.2, Latency = 0.9, Itl = [0.7], NumPromptTokens = 5, NumOutputTokens = 8 },
        new() { StartTime = 0.2, Error = "500 oops" },
    ];

    /// <summary>Byte for byte what vLLM prints for the same outcomes.</summary>
    [Fact]
    public void Print_IsVllmsBlock()
    {
        var arguments = new BenchServeArguments
        {
            MaxConcurrency = 2,
            RequestRate = 4,
            Goodput = ["ttft:200", "tpot:100"],
            MetricPercentiles = [99, 99.9],
            PercentileMetrics = "ttft,tpot,itl,e2el",
        };
        var writer = new StringWriter { NewLine = "\n" };

        Report(arguments).Print(writer);

        Assert.Equal("""
            ============ Serving Benchmark Result ============
            Successful requests:                     3         
            Failed requests:                         1         
            Maximum request concurrency:             2         
            Request rate configured (RPS):           4.00      
            Benchmark duration (s):                  2.00      
            Total input tokens:                      35        
            Total generated tokens:                  12        
            Request throughput (req/s):              1.50      
            Request goodput (req/s):                 0.50      
            Output token throughput (tok/s):         6.00      
            Peak output token throughput (tok/s):    3.00      
            Peak concurrent requests:                2.00      
            Total token throughput (tok/s):          23.50     
            ---------------Time to First Token----------------
            Mean TTFT (ms):                          200.00    
            Median TTFT (ms):                        200.00    
            P99 TTFT (ms):                           298.00    
            P99.9 TTFT (ms):                         299.80    
            -----Time per Output Token (excl. 1st token)------
            Mean TPOT (ms):                          300.00    
            Median TPOT (ms):                        300.00    
            P99 TPOT (ms):                           496.00    
            P99.9 TPOT (ms):                         499.60    
            ---------------Inter-token Latency----------------
            Mean ITL (ms):                           566.67    
            Median ITL (ms):                         500.00    
            P99 ITL (ms):                            696.00    
            P99.9 ITL (ms):                          699.60    
            ----------------End-to-end Latency----------------
            Mean E2EL (ms):                          766.67    
            Median E2EL (ms):                        900.00    
            P99 E2EL (ms):                           1096.00   
            P99.9 E2EL (ms):                         1099.60   
            ==================================================

            """.ReplaceLineEndings("\n"), writer.ToString());
    }

    [Fact]
    public void Print_LeavesOutTokensWithoutTokenizer()
    {
        var writer = new StringWriter();

        Report(new BenchServeArguments { SkipTokenizerInit = true, PercentileMetrics = "ttft,e2el" }).Print(writer);

        Assert.DoesNotContain("tok", writer.ToString().Replace("input tokens", "", StringComparison.Ordinal));
        Assert.DoesNotContain("TTFT", writer.ToString(), StringComparison.Ordinal);
        Assert.Contains("Mean E2EL", writer.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Json_HasVllmsKeys()
    {
        JsonObject json = Report(new BenchServeArguments { Metadata = ["gpu = none"] }).ToJson(rateChanges: null);

        Assert.Equal(
            [
                "date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "gpu",
                "request_rate", "burstiness", "max_concurrency", "duration", "completed", "failed", "total_input_tokens",
                "total_output_tokens", "request_throughput", "request_goodput", "output_throughput",
                "total_token_throughput", "latencies", "queue_times", "max_output_tokens_per_s",
                "max_concurrent_requests", "rtfx", "mean_ttft_ms", "median_ttft_ms", "std_ttft_ms", "p99_ttft_ms",
                "mean_tpot_ms", "median_tpot_ms", "std_tpot_ms", "p99_tpot_ms", "mean_itl_ms", "median_itl_ms",
                "std_itl_ms", "p99_itl_ms",
            ],
            json.Select(field => field.Key));
        Assert.Equal("inf", (string?)json["request_rate"]);
        Assert.Equal("none", (string?)json["gpu"]);
        Assert.Null(json["request_goodput"]);
    }

    [Fact]
    public void Json_KeepsDetailsWhenAsked()
    {
        JsonObject json = Report(new BenchServeArguments { SaveDetailed = true }).ToJson(rateChanges: null);

        Assert.Equal([0.5, 0.5], json["itls"]![0]!.AsArray().Select(gap => (double)gap!));
        Assert.Equal(["", "", "", "500 oops"], json["errors"]!.AsArray().Select(error => (string?)error));
        Assert.Equal([3, 1, 8, 0], json["output_lens"]!.AsArray().Select(length => (int)length!));
    }

    [Fact]
    public void SpecDecode_IsWhatTheServerCountedMeanwhile()
    {
        SpecDecodeCounters? counters = SpecDecodeCounters.Between(
            SpecDecodeCounters.Parse(Metrics(drafts: 10, tokens: 20, first: 9, second: 3)),
            SpecDecodeCounters.Parse(Metrics(drafts: 30, tokens: 60, first: 24, second: 8)));
        var arguments = new BenchServeArguments { PercentileMetrics = "e2el" };
        var report = new ServeReport(arguments, new ServeMetrics(Outcomes, 2, null), "m", counters);
        var writer = new StringWriter { NewLine = "\n" };

        report.Print(writer);

        Assert.EndsWith("""
            ---------------Speculative Decoding---------------
            Acceptance rate (%):                     50.00     
            Acceptance length:                       2.00      
            Drafts:                                  20        
            Draft tokens:                            40        
            Accepted tokens:                         20        
            Per-position acceptance (%):
              Position 0:                            75.00     
              Position 1:                            25.00     
            ==================================================

            """.ReplaceLineEndings("\n"), writer.ToString(), StringComparison.Ordinal);
        Assert.Equal(2.0, (double)report.ToJson(rateChanges: null)["spec_decode_acceptance_length"]!);
        Assert.Null(SpecDecodeCounters.Parse("vllm:num_requests_running 3\n"));
        Assert.Null(SpecDecodeCounters.Between(counters, counters));

        static string Metrics(int drafts, int tokens, int first, int second) => $$"""
            # HELP vllm:spec_decode_num_drafts_total Number of drafts.
            vllm:spec_decode_num_drafts_total{engine="0",model_name="a b"} {{drafts}}.0
            vllm:spec_decode_num_drafts_created{engine="0"} 1.7e9
            vllm:spec_decode_num_draft_tokens_total{engine="0"} {{tokens}}.0
            vllm:spec_decode_num_accepted_tokens_total{engine="0"} {{first + second}}.0
            vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} {{first}}.0
            vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="1"} {{second}}.0
            vllm:num_requests_running 3
            """;
    }

    static ServeReport Report(BenchServeArguments arguments) => new(
        arguments, new ServeMetrics(Outcomes, durationSeconds: 2, ServiceLevels.Parse(arguments.Goodput)), "org/model");
}
