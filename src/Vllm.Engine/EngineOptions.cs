using Vllm.Engine.Scheduling;

namespace Vllm;

/// <summary>What the user may choose about an engine. Names and defaults are those of <c>vllm serve</c>'s flags;
/// null means "derive it from the model or the machine". What was derived stands in <see cref="EngineConfig"/>.</summary>
public sealed record EngineOptions
{
    const int DefaultMaxNumBatchedTokens = 512;

    /// <summary>A GGUF file, or a folder with a Hugging Face checkpoint.</summary>
    public required string Model { get; init; }

    /// <summary>Names the API answers to; the first is reported. Empty: the model's path.</summary>
    public IReadOnlyList<string> ServedModelName { get; init; } = [];

    /// <summary>A tokenizer.json or a folder with a tokenizer's files, also its chat template; null = the
    /// model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>How the checkpoint must be quantized: gguf; null = as it is.</summary>
    public string? Quantization { get; init; }

    /// <summary>Compute type: auto, float32, bfloat16 or float16. auto keeps quantized weights quantized and takes the
    /// checkpoint's type otherwise; float32 computes on exactly dequantized weights.</summary>
    public string Dtype { get; init; } = "auto";

    /// <summary>Where to run: auto or cpu.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Longest prompt plus answer, in tokens; null = the model's own limit, or as much as the cache can hold.</summary>
    public int? MaxModelLen { get; init; }

    /// <summary>Take a <see cref="MaxModelLen"/> beyond the model's own, where it may answer nonsense.</summary>
    public bool AllowLongMaxModelLen { get; init; }

    /// <summary>Most requests in one step.</summary>
    public int MaxNumSeqs { get; init; } = 256;

    /// <summary>Most tokens in one step; a longer prompt is computed in chunks. null = 512, as a CPU computes no faster on
    /// more and everybody waits for a step's end; <see cref="MaxNumSeqs"/> if that is more, and without chunks
    /// <see cref="MaxModelLen"/>, or 2048.</summary>
    public int? MaxNumBatchedTokens { get; init; }

    /// <summary>The token budget of a step when it is less than <see cref="MaxNumBatchedTokens"/>.</summary>
    public int? MaxNumScheduledTokens { get; init; }

    /// <summary>Most requests that are admitted at once; null = <see cref="MaxNumSeqs"/>.</summary>
    public int? MaxNumActiveSeqs { get; init; }

    /// <summary>Tokens per KV block; null = 64 on the CPU, whose attention works in tiles of 64.</summary>
    public int? BlockSize { get; init; }

    /// <summary>Share of the machine's memory that weights and KV cache may take together.</summary>
    public double GpuMemoryUtilization { get; init; } = 0.92;

    /// <summary>Bytes of KV cache; null = on the CPU 4 GiB, or what <see cref="MaxNumSeqs"/> requests of
    /// <see cref="MaxModelLen"/> need if that is less, within <see cref="GpuMemoryUtilization"/>.</summary>
    public long? KvCacheMemoryBytes { get; init; }

    /// <summary>Number of KV blocks, whatever memory says; for tests.</summary>
    public int? NumGpuBlocksOverride { get; init; }

    /// <summary>How keys and values are stored: auto = fp32 when computing in fp32, else bfloat16; fp8 or fp8_e4m3,
    /// fp8_e5m2, int8_per_token_head = 8 bits (and a scale per token and head), less exact: twice as many tokens fit and
    /// long contexts are read faster. Exact in the sense that no other request changes a result all the same.</summary>
    public string KvCacheDtype { get; init; } = "auto";

    /// <summary>Reuse the blocks of equal prompt beginnings.</summary>
    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary>GiB of the host's memory for blocks that the KV cache has to give up, of cached prompts and of preempted
    /// requests: they come back instead of being computed again. null = none. Of use where KV memory is capped; needs
    /// prefix caching. Counted within <see cref="GpuMemoryUtilization"/>.</summary>
    public double? KvOffloadingSize { get; init; }

    /// <summary>How they are kept: auto = bit for bit as in the cache; int8_per_token_head = 8 bits and a scale per token
    /// and head, half of bf16. That trades exactness: a request's result may then depend on what was given up in between,
    /// hence on other requests.</summary>
    public string KvOffloadingDtype { get; init; } = "auto";

    /// <summary>Cut prompts that exceed the step's token budget.</summary>
    public bool EnableChunkedPrefill { get; init; } = true;

    /// <summary>Order of admission and preemption.</summary>
    public SchedulingPolicy SchedulingPolicy { get; init; }

    /// <summary>Most prompt tokens of one request in a step while others are there; 0 = no limit.</summary>
    public int LongPrefillTokenThreshold { get; init; }

    /// <summary>Raises the threshold to an equal share of <see cref="MaxNumBatchedTokens"/> when few requests are there.</summary>
    public bool LongPrefillTokenThresholdAdaptive { get; init; }

    /// <summary>Admit a request only when its whole prompt fits into the free blocks, not just its first chunk.</summary>
    public bool SchedulerReserveFullIsl { get; init; } = true;

    /// <summary>Share of the blocks kept free at admissions while something is running, so that running requests are
    /// preempted less; 0 = none.</summary>
    public double Watermark { get; init; }

    /// <summary>Most log-probabilities a request may ask for; -1 = no limit.</summary>
    public int MaxLogprobs { get; init; } = 20;

    /// <summary>Which numbers are reported as the log-probabilities of answers. Those of prompts are raw
    /// log-probabilities always, as in vLLM.</summary>
    public LogprobsMode LogprobsMode { get; init; }

    /// <summary>The user's own changes to logits, in the order they are made.</summary>
    public IReadOnlyList<LogitsProcessor> LogitsProcessors { get; init; } = [];

    /// <summary>Seed of the draws of requests without one.</summary>
    public long Seed { get; init; }

    /// <summary>Worker threads; 0 = one per physical core.</summary>
    public int NumThreads { get; init; }

    /// <summary>A chat template (text or file) in place of the model's.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Where defaults of sampling parameters come from: auto (the model's generation_config.json) or vllm.</summary>
    public string GenerationConfig { get; init; } = "auto";

    /// <summary>Defaults that replace the model's; its <c>MaxNewTokens</c> is a limit for every request.</summary>
    public SamplingDefaults? OverrideGenerationConfig { get; init; }

    internal int ResolvedMaxNumBatchedTokens =>
        MaxNumBatchedTokens ?? Math.Max(MaxNumSeqs, EnableChunkedPrefill ? DefaultMaxNumBatchedTokens : MaxModelLen ?? 2048);

    /// <summary>All that is wrong with the values by themselves; empty when nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        Check(Device is "auto" or "cpu", $"device must be auto or cpu, got '{Device}'.");
        Check(MaxModelLen is null or > 0, $"max_model_len must be positive, got {MaxModelLen}.");
        Check(MaxNumSeqs > 0, $"max_num_seqs must be positive, got {MaxNumSeqs}.");
        int maxNumTokens = ResolvedMaxNumBatchedTokens;
        Check(maxNumTokens >= MaxNumSeqs,
            $"max_num_batched_tokens ({maxNumTokens}) must be at least max_num_seqs ({MaxNumSeqs}).");
        Check(EnableChunkedPrefill || MaxModelLen is null || maxNumTokens >= MaxModelLen,
            $"without chunked prefill max_num_batched_tokens ({maxNumTokens}) must be at least max_model_len ({MaxModelLen}).");
        Check(MaxNumScheduledTokens is null || (MaxNumScheduledTokens > 0 && MaxNumScheduledTokens <= maxNumTokens),
            $"max_num_scheduled_tokens must be 1 to max_num_batched_tokens ({maxNumTokens}), got {MaxNumScheduledTokens}.");
        Check(MaxNumActiveSeqs is null || (MaxNumActiveSeqs > 0 && MaxNumActiveSeqs <= MaxNumSeqs),
            $"max_num_active_seqs must be 1 to max_num_seqs ({MaxNumSeqs}), got {MaxNumActiveSeqs}.");
        Check(MaxModelLen is null || LongPrefillTokenThreshold <= MaxModelLen,
            $"long_prefill_token_threshold ({LongPrefillTokenThreshold}) must be at most max_model_len ({MaxModelLen}).");
        Check(Quantization is null or "gguf", $"quantization '{Quantization}' is not supported yet; gguf is.");
        Check(BlockSize is null or > 0 and <= 1024, $"block_size must be 1 to 1024, got {BlockSize}.");
        Check(GpuMemoryUtilization is > 0 and <= 1, $"gpu_memory_utilization must be above 0 and at most 1, got {GpuMemoryUtilization}.");
        Check(KvCacheMemoryBytes is null or > 0, $"kv_cache_memory_bytes must be positive, got {KvCacheMemoryBytes}.");
        Check(NumGpuBlocksOverride is null or > 1, $"num_gpu_blocks_override must be at least 2, got {NumGpuBlocksOverride}.");
        Check(KvOffloadingSize is null or > 0 and <= 1 << 20, $"kv_offloading_size must be above 0 and at most 1048576 GiB, got {KvOffloadingSize}.");
        Check(KvOffloadingSize is null || EnablePrefixCaching, "kv_offloading_size needs prefix caching: blocks are found by their hashes.");
        Check(KvCacheDtype is "auto" or "bfloat16" or "fp8" or "fp8_e4m3" or "fp8_e5m2" or "int8_per_token_head",
            $"kv_cache_dtype must be auto, bfloat16, fp8, fp8_e4m3, fp8_e5m2 or int8_per_token_head, got '{KvCacheDtype}'.");
        Check(KvOffloadingDtype == "auto" || KvCacheDtype is "auto" or "bfloat16",
            $"kv_offloading_dtype {KvOffloadingDtype} needs a cache of 16 bits or more, not {KvCacheDtype}, which is copied as it is.");
        Check(KvOffloadingDtype is "auto" or "int8_per_token_head",
            $"kv_offloading_dtype must be auto or int8_per_token_head, got '{KvOffloadingDtype}'.");
        Check(LongPrefillTokenThreshold >= 0, $"long_prefill_token_threshold must not be negative, got {LongPrefillTokenThreshold}.");
        Check(Watermark is >= 0 and < 1, $"watermark must be at least 0 and below 1, got {Watermark}.");
        Check(NumThreads >= 0, $"num_threads must not be negative, got {NumThreads}.");
        Check(GenerationConfig is "auto" or "vllm", $"generation_config must be auto or vllm, got '{GenerationConfig}'.");
        return problems;

        void Check(bool isRight, string problem)
        {
            if (!isRight) problems.Add(problem);
        }
    }
}

/// <param name="Stage">What is being done: "Packing weights", ….</param>
/// <param name="Fraction">0…1 of that.</param>
public readonly record struct LoadProgress(string Stage, double Fraction);
