using Vllm.Engine;
using Vllm.Engine.Scheduling;

namespace Vllm.Cli.CommandLine;

/// <summary>The flags of <see cref="EngineOptions"/>, which all commands with an engine share.</summary>
static class EngineFlags
{
    public static OptionTable<EngineOptions> Table { get; } = new OptionTable<EngineOptions>()
        .Group("ModelConfig")
        .Value("--model", ValueTypes.Text("MODEL"), o => o.Model, (o, v) => o with { Model = v },
            "A GGUF file, or a folder with a Hugging Face checkpoint. The embedded SmolLM2-135M-Instruct by default.")
        .List("--served-model-name", ValueTypes.Text("NAME"),
            o => o.ServedModelName, (o, v) => o with { ServedModelName = v },
            "Names that the API answers to; the first is reported. The model as given when there is none.")
        .Value("--dtype", ValueTypes.Choice("auto", "bfloat16", "float16", "half", "float32", "float"),
            o => o.Dtype, (o, v) => o with { Dtype = v },
            "Type to compute in. auto keeps quantized weights quantized and takes the checkpoint's type otherwise; "
            + "float32 computes on exactly dequantized weights.")
        .Value("--tokenizer", ValueTypes.OptionalText("PATH"),
            o => o.Tokenizer, (o, v) => o with { Tokenizer = v },
            "Folder with the tokenizer's files, or a tokenizer.json, in place of the model's.")
        .Value("--quantization", ValueTypes.OptionalText("METHOD"),
            o => o.Quantization, (o, v) => o with { Quantization = v },
            "How the model must be quantized: gguf. What the model says by default.", "-q")
        .Value("--max-model-len", ValueTypes.HumanIntOrAuto, o => o.MaxModelLen, (o, v) => o with { MaxModelLen = v },
            "Longest prompt plus answer in tokens: 4096, 4k (4,000) or 4K (4,096). auto or -1: the model's own limit, "
            + "or as much as the cache holds.")
        .Pair("--allow-long-max-model-len",
            o => o.AllowLongMaxModelLen, (o, v) => o with { AllowLongMaxModelLen = v },
            "Take a --max-model-len beyond the model's own, where answers may be nonsense; also "
            + "VLLM_ALLOW_LONG_MAX_MODEL_LEN.")
        .Value("--seed", ValueTypes.Long, o => o.Seed, (o, v) => o with { Seed = v },
            "Seed of the draws of requests without one.")
        .Value("--max-logprobs", ValueTypes.Int, o => o.MaxLogprobs, (o, v) => o with { MaxLogprobs = v },
            "Most log-probabilities that a request may ask for; -1 = no limit.")
        .Value("--logprobs-mode",
            ValueTypes.Choice(
                ("raw_logprobs", LogprobsMode.RawLogprobs), ("processed_logprobs", LogprobsMode.ProcessedLogprobs),
                ("raw_logits", LogprobsMode.RawLogits), ("processed_logits", LogprobsMode.ProcessedLogits)),
            o => o.LogprobsMode, (o, v) => o with { LogprobsMode = v },
            "What is reported as log-probabilities: of the model's logits or of those after all processing "
            + "(penalties, temperature, top-k, ...), or the logits themselves.")
        .List("--logits-processors", LogitsProcessorType,
            o => o.LogitsProcessors, (o, v) => o with { LogitsProcessors = v },
            "Your own changes to logits, classes derived from Vllm.LogitsProcessor: \"Namespace.Type, path/to/assembly.dll\".")
        .Value("--chat-template", ValueTypes.OptionalText("TEMPLATE"),
            o => o.ChatTemplate, (o, v) => o with { ChatTemplate = v },
            "A chat template, file or text, in place of the model's.")
        .Value("--generation-config", ValueTypes.Choice("auto", "vllm"),
            o => o.GenerationConfig, (o, v) => o with { GenerationConfig = v },
            "Where defaults of sampling parameters come from: the model's generation_config.json, or vLLM's.")
        .Value("--override-generation-config", GenerationOverrides.Type,
            o => o.OverrideGenerationConfig, (o, v) => o with { OverrideGenerationConfig = v },
            "Defaults of sampling parameters in place of the model's: {\"temperature\": 0.5}. "
            + "max_new_tokens is a limit for every request.")
        .Group("CacheConfig")
        .Value("--block-size", ValueTypes.OptionalInt, o => o.BlockSize, (o, v) => o with { BlockSize = v },
            "Tokens per KV block. On the CPU 64 by default.")
        .Value("--gpu-memory-utilization", ValueTypes.Double,
            o => o.GpuMemoryUtilization, (o, v) => o with { GpuMemoryUtilization = v },
            "Share of the machine's memory that weights and KV cache may take together.", "--device-memory-utilization")
        .Value("--kv-cache-memory-bytes", ValueTypes.OptionalHumanLong,
            o => o.KvCacheMemoryBytes, (o, v) => o with { KvCacheMemoryBytes = v },
            "Size of the KV cache: 512M, 4G. On the CPU at most 4 GiB by default.")
        .Value("--num-gpu-blocks-override", ValueTypes.OptionalInt,
            o => o.NumGpuBlocksOverride, (o, v) => o with { NumGpuBlocksOverride = v },
            "Number of KV blocks, whatever memory says; for tests.")
        .Value("--kv-cache-dtype",
            ValueTypes.Choice("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "int8_per_token_head"),
            o => o.KvCacheDtype, (o, v) => o with { KvCacheDtype = v },
            "How keys and values are stored: auto = as the model computes, in bfloat16 or float32; the others take half of "
            + "bfloat16's memory and are less exact. fp8 is fp8_e4m3.")
        .Value("--kv-offloading-size", ValueTypes.OptionalDouble,
            // 0 was common as --swap-space.
            o => o.KvOffloadingSize, (o, v) => o with { KvOffloadingSize = v is 0 ? null : v },
            "GiB of host memory for blocks that the KV cache has to give up: they come back instead of being computed "
            + "again. Of use where KV memory is capped.")
        .Value("--kv-offloading-dtype", ValueTypes.Choice("auto", "int8_per_token_head"),
            o => o.KvOffloadingDtype, (o, v) => o with { KvOffloadingDtype = v },
            "How the host keeps them: auto = bit for bit; int8_per_token_head = in half the memory of bf16, no longer "
            + "exact.")
        .Pair("--enable-prefix-caching", o => o.EnablePrefixCaching, (o, v) => o with { EnablePrefixCaching = v },
            "Reuse the blocks of equal prompt beginnings.")
        .Group("SchedulerConfig")
        .Value("--max-num-seqs", ValueTypes.Int, o => o.MaxNumSeqs, (o, v) => o with { MaxNumSeqs = v },
            "Most requests in one step.")
        .Value("--max-num-batched-tokens", ValueTypes.OptionalHumanInt,
            o => o.MaxNumBatchedTokens, (o, v) => o with { MaxNumBatchedTokens = v },
            "Most tokens in one step; a longer prompt is computed in chunks. 512, or --max-num-seqs if that is more.")
        .Value("--max-num-scheduled-tokens", ValueTypes.OptionalHumanInt,
            o => o.MaxNumScheduledTokens, (o, v) => o with { MaxNumScheduledTokens = v },
            "Most tokens that a step is given when that is less than it could take.")
        .Value("--max-num-active-seqs", ValueTypes.OptionalInt,
            o => o.MaxNumActiveSeqs, (o, v) => o with { MaxNumActiveSeqs = v },
            "Most requests that are admitted at once; as many as --max-num-seqs by default.")
        .Pair("--enable-chunked-prefill", o => o.EnableChunkedPrefill, (o, v) => o with { EnableChunkedPrefill = v },
            "Cut prompts that exceed the step's token budget.")
        .Value("--scheduling-policy",
            ValueTypes.Choice(("fcfs", SchedulingPolicy.Fcfs), ("priority", SchedulingPolicy.Priority)),
            o => o.SchedulingPolicy, (o, v) => o with { SchedulingPolicy = v },
            "Order of admission and preemption.")
        .Value("--long-prefill-token-threshold", ValueTypes.HumanInt,
            o => o.LongPrefillTokenThreshold, (o, v) => o with { LongPrefillTokenThreshold = v },
            "Most prompt tokens of one request in a step while others are there; 0 = no limit.")
        .Pair("--long-prefill-token-threshold-adaptive",
            o => o.LongPrefillTokenThresholdAdaptive, (o, v) => o with { LongPrefillTokenThresholdAdaptive = v },
            "Raise that limit to an equal share of the step when few requests are there.")
        .Pair("--scheduler-reserve-full-isl",
            o => o.SchedulerReserveFullIsl, (o, v) => o with { SchedulerReserveFullIsl = v },
            "Admit a request only when its whole prompt fits into the free blocks, not just its first chunk.")
        .Value("--watermark", ValueTypes.Double, o => o.Watermark, (o, v) => o with { Watermark = v },
            "Share of the KV blocks kept free at admissions while something is running.")
        .Group("DeviceConfig")
        .Value("--device", ValueTypes.Choice("auto", "cpu"),
            o => o.Device, (o, v) => o with { Device = v }, "Where to run.")
        .Value("--num-threads", ValueTypes.Int, o => o.NumThreads, (o, v) => o with { NumThreads = v },
            "Worker threads; 0 = one per physical core.");

    static ValueType<LogitsProcessor> LogitsProcessorType => new("TYPE", LoadLogitsProcessor, p => p.GetType().FullName);

    static LogitsProcessor LoadLogitsProcessor(string name)
    {
        try
        {
            return LogitsProcessorLoader.Load(name);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    /// <summary>Adds these flags, and the log's, to a command's own.</summary>
    public static OptionTable<TArgs> IncludeEngine<TArgs>(this OptionTable<TArgs> table)
        where TArgs : CommandArguments => table
        .Value("--log-level", Log.LevelType, args => args.LogLevel, (args, v) => args with { LogLevel = v },
            "Least important messages that are shown; also VLLM_LOGGING_LEVEL. DEBUG shows where errors come from.")
        .Value("--logging-config", LoggingConfig.Type,
            args => args.LoggingConfig, (args, v) => args with { LoggingConfig = v },
            "{\"formatter\": \"json\"} writes one JSON object per line, {\"log_level\": \"DEBUG\"} is --log-level.")
        .Value("--config", ValueTypes.OptionalText("FILE"), args => args.Config, (args, v) => args with { Config = v },
            "YAML file with options: max-model-len: 4096. Those of the command line beat it.")
        .Pair("--fail-on-environ-validation",
            args => args.FailOnEnvironValidation, (args, v) => args with { FailOnEnvironValidation = v },
            "End when an unknown VLLM_ variable is set.")
        .Include(Table, args => args.Engine, (args, v) => args with { Engine = v });
}
