using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;

namespace Vllm.Server.Metrics;

/// <summary>The engine's metrics under vLLM's names. Families of features that do not exist (media, sleep)
/// stay at zero, so that dashboards made for vLLM find what they ask for.</summary>
sealed class EngineMetricsText(EngineConfig config, EngineMetrics metrics, ActiveRequests active)
{
    public void Write(PrometheusText text, PrometheusText unlabelledByEngine)
    {
        WriteGauges(text);
        WriteTokenCounters(text);
        WriteRequestCounters(text);
        unlabelledByEngine.Counters("vllm:admission_rejections",
            "Number of admission attempts rejected by a queue limit, by reason.", "reason",
            ("max_num_queued_reqs", active.NumRejectedForRequests),
            ("max_num_queued_tokens", active.NumRejectedForTokens));
        WriteTokenHistograms(text);
        WriteTimeHistograms(text);
        WriteCacheConfig(text);
        if (config.NumHostBlocks > 0) WriteHostTier(text);
        WriteOldNames(text);
    }

    void WriteGauges(PrometheusText text)
    {
        foreach ((string kind, string what) in new[]
        {
            ("flops", "floating point operations"),
            ("read_bytes", "bytes read from memory"),
            ("write_bytes", "bytes written to memory"),
        })
        {
            text.Counter($"vllm:estimated_{kind}_per_gpu",
                $"Estimated number of {what} per GPU (for Model Flops Utilization calculations).", 0);
        }
        text.Gauge("vllm:num_requests_running",
            "Number of requests in model execution batches.", metrics.NumRequestsRunning);
        text.Gauge("vllm:num_requests_waiting",
            "Number of requests waiting to be processed.", metrics.NumRequestsWaiting);
        text.Gauges("vllm:num_requests_waiting_by_reason",
            "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; "
            + "'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). "
            + "Sum of all reasons equals vllm:num_requests_waiting.", "reason",
            ("capacity", metrics.NumRequestsWaiting), ("deferred", 0));
        text.Gauges("vllm:engine_sleep_state",
            "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; "
            + "weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.", "sleep_state",
            ("awake", 1), ("weights_offloaded", 0), ("discard_all", 0));
        text.Gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", metrics.KvCacheUsage);
    }

    void WriteTokenCounters(PrometheusText text)
    {
        text.Counter("vllm:prefix_cache_queries",
            "Prefix cache queries, in terms of number of queried tokens.", metrics.PrefixCacheQueries);
        text.Counter("vllm:prefix_cache_hits",
            "Prefix cache hits, in terms of number of cached tokens.", metrics.PrefixCacheHits);
        text.Counter("vllm:external_prefix_cache_queries",
            "External prefix cache queries from KV connector cross-instance cache sharing, "
            + "in terms of number of queried tokens.", metrics.HostTier.NumQueriedTokens);
        text.Counter("vllm:external_prefix_cache_hits",
            "External prefix cache hits from KV connector cross-instance cache sharing, "
            + "in terms of number of cached tokens.", metrics.HostTier.NumHitTokens);
        text.Counter("vllm:mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.", 0);
        text.Counter("vllm:mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.", 0);
        text.Counter("vllm:num_preemptions",
            "Cumulative number of preemption from the engine.", metrics.NumPreemptions);
        text.Counter("vllm:prompt_tokens", "Number of prefill tokens processed.", metrics.NumPromptTokens);
        text.Counters("vllm:prompt_tokens_by_source", "Number of prompt tokens by source.", "source",
            ("local_compute", metrics.NumComputedPromptTokens), ("local_cache_hit", metrics.PrefixCacheHits),
            ("external_kv_transfer", metrics.HostTier.NumHitTokens));
        text.Counter("vllm:prompt_tokens_cached",
            "Number of cached prompt tokens (local + external).", metrics.PrefixCacheHits + metrics.HostTier.NumHitTokens);
        text.Counters("vllm:prompt_tokens_cached_by_source",
            "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to "
            + "DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. "
            + "Counted at admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.", "source",
            ("device", metrics.PrefixCacheHits), ("host", metrics.HostTier.NumHitTokens), ("disk", 0), ("p2p", 0), ("external_unspecified", 0));
        text.Counter("vllm:generation_tokens", "Number of generation tokens processed.", metrics.NumGenerationTokens);
    }

    void WriteRequestCounters(PrometheusText text) => text.Counters(
        "vllm:request_success", "Count of successfully processed requests.", "finished_reason",
        [.. Enum.GetValues<FinishReason>().Select(r => (WireNames.Of(r)!, (double)metrics.NumFinished(r)))]);

    void WriteTokenHistograms(PrometheusText text)
    {
        double max = config.MaxModelLen;
        text.Histogram("vllm:request_prompt_tokens",
            "Number of prefill tokens processed.", metrics.RequestPromptTokens, max);
        text.Histogram("vllm:request_generation_tokens",
            "Number of generation tokens processed.", metrics.RequestGenerationTokens, max);
        text.Histogram("vllm:iteration_tokens_total",
            "Histogram of number of tokens per engine_step.", metrics.IterationTokens);
        text.Histogram("vllm:request_max_num_generation_tokens",
            "Histogram of maximum number of requested generation tokens.", metrics.RequestLongestGeneration, max);
        text.Histogram("vllm:request_params_n", "Histogram of the n request parameter.", metrics.RequestN);
        text.Histogram("vllm:request_params_max_tokens",
            "Histogram of the max_tokens request parameter.", metrics.RequestMaxTokens, max);
    }

    void WriteTimeHistograms(PrometheusText text)
    {
        text.Histogram("vllm:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.", metrics.TimeToFirstToken);
        text.Histogram("vllm:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.", metrics.InterTokenLatency);
        text.Histogram("vllm:request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.", metrics.TimePerOutputToken);
        text.Histogram("vllm:e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.", metrics.RequestLatency);
        text.Histogram("vllm:request_queue_time_seconds",
            "Histogram of time spent in WAITING phase for request.", metrics.QueueTime);
        text.Histogram("vllm:request_inference_time_seconds",
            "Histogram of time spent in RUNNING phase for request.", metrics.InferenceTime);
        text.Histogram("vllm:request_prefill_time_seconds",
            "Histogram of time spent in PREFILL phase for request.", metrics.PrefillTime);
        text.Histogram("vllm:request_decode_time_seconds",
            "Histogram of time spent in DECODE phase for request.", metrics.DecodeTime);
        text.Histogram("vllm:request_num_preemptions",
            "Histogram of the number of times a request was preempted.", metrics.RequestPreemptions);
        text.Histogram("vllm:request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
            metrics.RequestComputedPromptTokens, config.MaxModelLen);
    }

    void WriteCacheConfig(PrometheusText text)
    {
        EngineOptions options = config.Options;
        text.Gauge("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", 1,
            ("block_size", $"{config.BlockSize}"),
            ("cache_dtype", options.KvCacheDtype),
            ("enable_prefix_caching", $"{options.EnablePrefixCaching}"),
            ("gpu_memory_utilization", PythonText.Float(options.GpuMemoryUtilization)),
            ("kv_cache_max_concurrency", PythonText.Float(config.MaxConcurrency)),
            ("kv_cache_memory_bytes", $"{config.KvCacheBytes}"),
            ("kv_cache_size_tokens", $"{config.KvCacheTokens}"),
            ("kv_offloading_size", options.KvOffloadingSize is { } gib ? PythonText.Float(gib) : "None"),
            ("num_cpu_blocks", config.NumHostBlocks > 0 ? $"{config.NumHostBlocks}" : "None"),
            ("num_gpu_blocks", $"{config.NumBlocks}"),
            ("num_gpu_blocks_override", options.NumGpuBlocksOverride is { } number ? $"{number}" : "None"));
    }

    /// <summary>The families of vLLM's simple CPU offloading. Copies end in the step that starts them.</summary>
    void WriteHostTier(PrometheusText text)
    {
        HostTierStats stats = metrics.HostTier;
        text.Counters("vllm:simple_kv_offload_save_outcomes",
            "KV blocks that the cache gave up, by what became of them in host memory.", "outcome",
            ("stored", stats.NumStored), ("skipped_already_cached", stats.NumAlreadyStored),
            ("dropped_cpu_full", stats.NumDropped));
        text.Counters("vllm:simple_kv_offload_load_blocks",
            "KV blocks involved in offload loads by phase.", "phase",
            ("issued", stats.NumLoaded), ("completed", stats.NumLoaded));
        text.Gauge("vllm:simple_kv_offload_used_blocks",
            "Offload-pool blocks currently pinned by in-flight transfers or cache hits.", 0);
        text.Gauge("vllm:simple_kv_offload_pending_store_blocks", "Offload blocks in pending stores.", 0);
        text.Gauge("vllm:simple_kv_offload_info", "Facts of the offload pool. Value is always 1.", 1,
            ("backend", "cpu"), ("page_cache", "false"), ("lazy_offload", "true"),
            ("capacity_blocks", $"{config.NumHostBlocks}"));
    }

    /// <summary>Names of earlier vLLM versions that dashboards still use.</summary>
    void WriteOldNames(PrometheusText text)
    {
        text.Gauge("vllm:gpu_cache_usage_perc", "Old name of vllm:kv_cache_usage_perc.", metrics.KvCacheUsage);
        text.Gauge("vllm:avg_prompt_throughput_toks_per_s",
            "Average prefill throughput in tokens/s.", metrics.PromptThroughput.TokensPerSecond);
        text.Gauge("vllm:avg_generation_throughput_toks_per_s",
            "Average generation throughput in tokens/s.", metrics.GenerationThroughput.TokensPerSecond);
        text.Counter("vllm:gpu_prefix_cache_queries", "Old name of vllm:prefix_cache_queries.", metrics.PrefixCacheQueries);
        text.Counter("vllm:gpu_prefix_cache_hits", "Old name of vllm:prefix_cache_hits.", metrics.PrefixCacheHits);
        text.Gauge("vllm:gpu_prefix_cache_hit_rate", "Share of queried tokens found in the prefix cache.",
            (double)metrics.PrefixCacheHits / Math.Max(1, metrics.PrefixCacheQueries));
        text.Gauge("vllm:cpu_cache_usage_perc", "CPU KV-cache usage, of the swap space that is no more.", 0);
        text.Gauge("vllm:num_requests_swapped", "Number of requests swapped to CPU, which none is any more.", 0);
        text.Histogram("vllm:time_per_output_token_seconds",
            "Old name of vllm:inter_token_latency_seconds.", metrics.InterTokenLatency);
        text.Histogram("vllm:time_in_queue_requests",
            "Old name of vllm:request_queue_time_seconds.", metrics.QueueTime);
        text.Histogram("vllm:request_params_best_of", "Old name of vllm:request_params_n.", metrics.RequestN);
    }
}
