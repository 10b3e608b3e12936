using System.Diagnostics;
using Vllm.Engine.Execution;
using Vllm.Engine.KvCache;
using Vllm.Engine.Scheduling;
using Vllm.Kernels;
using Vllm.Kernels.Cpu;
using Vllm.Models;
using Vllm.Models.Architectures;
using Vllm.Models.Loading;
using Vllm.Text.ChatTemplates;
using Vllm.Text.Tokenization;

namespace Vllm.Engine;

/// <summary>Everything that an engine is made of, ready to run.</summary>
sealed record LoadedEngine(
    EngineConfig Config, Scheduler Scheduler, ModelRunner Runner, Tokenizer Tokenizer, ChatTemplate? ChatTemplate);

/// <summary>
/// From options to a ready engine: (1) open the checkpoint; (2) settle type, device and lengths; (3) build the model,
/// packing its weights, while the tokenizer is read; (4) size the KV cache; (5) put it together.
/// </summary>
static class EngineLoader
{
    /// <summary>vLLM's VLLM_CPU_KVCACHE_SPACE default.</summary>
    const long DefaultCpuKvCacheBytes = 4L << 30;

    /// <summary>The CPU attention works in tiles of so many tokens.</summary>
    const int CpuBlockSize = 64;

    /// <exception cref="ModelLoadException">The checkpoint is missing or broken.</exception>
    /// <exception cref="ArgumentException">Options that contradict each other or the model.</exception>
    public static LoadedEngine Load(EngineOptions options, IProgress<LoadProgress>? progress)
    {
        IReadOnlyList<string> problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join(" ", problems));
        long start = Stopwatch.GetTimestamp();
        using Checkpoint checkpoint = Checkpoint.Open(options.Model);                       // (1)
        ModelConfig model = checkpoint.Config;
        if (options.Quantization == "gguf" && checkpoint.GgufMetadata is null)
            throw new ArgumentException($"quantization is gguf, but {options.Model} is no GGUF model");
        TokenizerConfig tokenizerConfig = TokenizerConfigOf(options, checkpoint);
        DType dtype = ResolveDType(options.Dtype, checkpoint);                              // (2)
        int blockSize = options.BlockSize ?? CpuBlockSize;
        var device = new CpuDevice(options.NumThreads);
        try
        {
            DType kvDtype = ResolveKvDType(options.KvCacheDtype, dtype, checkpoint);
            KvCacheSizing sizing = SizeKvCache(options, checkpoint, kvDtype, blockSize);           // (4)
            CheckPromptsFit(options, sizing.MaxModelLen);
            KvCacheSpec spec = SpecOf(model, kvDtype, sizing.NumBlocks, blockSize);
            HostKvCacheSpec? hostSpec = SizeHostTier(options, spec);
            Task<(Tokenizer, ChatTemplate?)> text = Task.Run(() => LoadText(options, checkpoint, tokenizerConfig));
            LanguageModel network;
            try
            {
                network = BuildModel(options, checkpoint, device, dtype, sizing.MaxModelLen, progress); // (3)
            }
            finally
            {
                Task.WaitAny(text); // it reads the mapped checkpoint, which closes when building fails
            }
            (Tokenizer tokenizer, ChatTemplate? template) = text.GetAwaiter().GetResult();
            if (options.Tokenizer is not null && tokenizer.VocabSize > model.VocabSize)
                throw new ArgumentException($"the tokenizer {options.Tokenizer} has {tokenizer.VocabSize} tokens, the model {model.VocabSize}");

            var config = new EngineConfig                                                   // (5)
            {
                Options = options,
                Architecture = model.Architecture,
                Dtype = dtype,
                DeviceName = device.Name,
                MaxModelLen = sizing.MaxModelLen,
                BlockSize = blockSize,
                NumBlocks = sizing.NumBlocks,
                KvCacheBytes = sizing.NumBlocks * spec.BlockBytes,
                NumHostBlocks = hostSpec?.NumBlocks ?? 0,
                WeightBytes = network.WeightBytes,
                WeightFormat = network.WeightFormat,
                LoadTime = Stopwatch.GetElapsedTime(start),
                VocabSize = model.VocabSize,
                EosTokenIds = EosTokenIds(options, checkpoint),
                BosToken = tokenizerConfig.BosToken,
                EosToken = tokenizerConfig.EosToken,
                SamplingDefaults = DefaultsOf(options, checkpoint.GenerationConfig),
            };
            var runner = new ModelRunner(config, network, device, device.CreateKvCache(spec),
                hostSpec is null ? null : device.CreateHostKvCache(hostSpec));
            return new LoadedEngine(config, new Scheduler(SchedulerOptionsOf(config)), runner, tokenizer, template);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    static DType ResolveDType(string name, Checkpoint checkpoint) => name switch
    {
        "float32" or "float" => DType.F32,
        "bfloat16" => DType.BF16,
        "float16" or "half" => DType.F16,
        // Quantized weights stay quantized in either 16-bit type; bf16 is the one that the CPU multiplies fast.
        "auto" => checkpoint.Config.Dtype switch
        {
            "float32" => DType.F32,
            "float16" => DType.F16,
            _ => DType.BF16,
        },
        _ => throw new ArgumentException($"dtype must be auto, float32, bfloat16 or float16, got '{name}'"),
    };

    static LanguageModel BuildModel(
        EngineOptions options, Checkpoint checkpoint, Device device, DType dtype, int maxModelLen,
        IProgress<LoadProgress>? progress)
    {
        int numTensors = checkpoint.Tensors.Count;
        int numLoaded = 0;
        var weights = new WeightLoader(checkpoint, device, dtype, numParts =>
            progress?.Report(new LoadProgress("Packing weights", Math.Min(1, (double)(numLoaded += numParts) / numTensors))));
        return ModelRegistry.Create(new ModelContext(
            checkpoint.Config, device, weights, maxModelLen, options.ResolvedMaxNumBatchedTokens, options.MaxNumSeqs));
    }

    /// <summary>Type of the cache. Scales that a checkpoint has for 8 bits are not read: without them its results would
    /// be wrong, not just less exact.</summary>
    static DType ResolveKvDType(string name, DType dtype, Checkpoint checkpoint)
    {
        DType resolved = name switch
        {
            "auto" => dtype == DType.F32 ? DType.F32 : DType.BF16,
            "bfloat16" => DType.BF16,
            "fp8" or "fp8_e4m3" => DType.F8E4M3,
            "fp8_e5m2" => DType.F8E5M2,
            "int8_per_token_head" => DType.I8,
            _ => throw new ArgumentException($"kv_cache_dtype '{name}' is unknown"),
        };
        if (resolved is DType.F8E4M3 or DType.F8E5M2
            && checkpoint.Tensors.Select(tensor => tensor.Name).FirstOrDefault(IsKvScale) is { } scale)
            throw new ArgumentException(
                $"kv_cache_dtype {name}: the checkpoint has scales for the KV cache ({scale}), which are not supported yet; int8_per_token_head needs none");
        return resolved;
    }

    internal static bool IsKvScale(string tensor) =>
        tensor.EndsWith(".k_scale", StringComparison.Ordinal) || tensor.EndsWith(".v_scale", StringComparison.Ordinal)
        || tensor.EndsWith(".kv_scale", StringComparison.Ordinal);

    static KvCacheSpec SpecOf(ModelConfig model, DType kvDtype, int numBlocks, int blockSize) => new(
        model.NumHiddenLayers, numBlocks, blockSize, model.NumKvHeads, model.HeadDim, kvDtype);

    static KvCacheSizing SizeKvCache(EngineOptions options, Checkpoint checkpoint, DType kvDtype, int blockSize)
    {
        ModelConfig model = checkpoint.Config;
        int maxModelLen = options.MaxModelLen ?? model.MaxModelLen;
        if (options.MaxModelLen > model.MaxModelLen && !options.AllowLongMaxModelLen)
        {
            throw new ArgumentException(
                $"max_model_len {options.MaxModelLen} is more than the model's {model.MaxModelLen}; longer positions were never trained; --allow-long-max-model-len takes it");
        }
        long blockBytes = SpecOf(model, kvDtype, 1, blockSize).BlockBytes;
        long blocksPerSeq = (maxModelLen + blockSize - 1) / blockSize;
        long needed = (blocksPerSeq * options.MaxNumSeqs + 1) * blockBytes;
        long weightBytes = checkpoint.Tensors.Sum(tensor => tensor.Data.Length);
        long memory = (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * options.GpuMemoryUtilization)
            - weightBytes - HostTierBytes(options);
        long available = options.KvCacheMemoryBytes ?? Math.Min(Math.Min(DefaultCpuKvCacheBytes, needed), memory);
        return KvCacheSizing.Compute(
            available, blockBytes, blockSize, maxModelLen, autoFit: options.MaxModelLen is null, options.NumGpuBlocksOverride);
    }

    static HostKvCacheSpec? SizeHostTier(EngineOptions options, KvCacheSpec spec)
    {
        if (options.KvOffloadingSize is null) return null;
        HostKvFormat format = options.KvOffloadingDtype == "auto" ? HostKvFormat.AsStored : HostKvFormat.Int8PerTokenHead;
        long blockBytes = new HostKvCacheSpec(spec, 1, format).BlockBytes;
        long sizeBytes = HostTierBytes(options);
        if (sizeBytes < blockBytes)
            throw new ArgumentException(
                $"kv_offloading_size is {options.KvOffloadingSize} GiB; one block takes {blockBytes} bytes");
        long maxBlocks = int.MaxValue / spec.BlockSize - 1; // token ids are kept in one array
        return new HostKvCacheSpec(spec, (int)Math.Min(sizeBytes / blockBytes, maxBlocks), format);
    }

    static long HostTierBytes(EngineOptions options)
    {
        var sizeBytes = (long)((options.KvOffloadingSize ?? 0) * (1L << 30));
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (sizeBytes > memory)
            throw new ArgumentException(
                $"kv_offloading_size is {options.KvOffloadingSize} GiB; the machine has {memory >> 20} MiB");
        return sizeBytes;
    }

    /// <summary>A prompt that may not be cut and does not fit into a step would wait for ever.</summary>
    static void CheckPromptsFit(EngineOptions options, int maxModelLen)
    {
        int budget = options.MaxNumScheduledTokens ?? options.ResolvedMaxNumBatchedTokens;
        if (!options.EnableChunkedPrefill && budget < maxModelLen)
        {
            throw new ArgumentException(
                $"without chunked prefill a step's tokens ({budget}) must be at least max_model_len ({maxModelLen}); raise max_num_batched_tokens or lower max_model_len");
        }
    }

    static SchedulerOptions SchedulerOptionsOf(EngineConfig config) => new()
    {
        MaxNumSeqs = config.Options.MaxNumSeqs,
        MaxNumBatchedTokens = config.MaxNumBatchedTokens,
        MaxNumScheduledTokens = config.Options.MaxNumScheduledTokens,
        MaxNumActiveSeqs = config.Options.MaxNumActiveSeqs,
        MaxModelLen = config.MaxModelLen,
        BlockSize = config.BlockSize,
        NumBlocks = config.NumBlocks,
        NumHostBlocks = config.NumHostBlocks,
        EnablePrefixCaching = config.Options.EnablePrefixCaching,
        EnableChunkedPrefill = config.Options.EnableChunkedPrefill,
        Policy = config.Options.SchedulingPolicy,
        LongPrefillTokenThreshold = config.Options.LongPrefillTokenThreshold,
        LongPrefillTokenThresholdAdaptive = config.Options.LongPrefillTokenThresholdAdaptive,
        SchedulerReserveFullIsl = config.Options.SchedulerReserveFullIsl,
        Watermark = config.Options.Watermark,
    };

    static IReadOnlyList<int> EosTokenIds(EngineOptions options, Checkpoint checkpoint)
    {
        IEnumerable<int> ids = checkpoint.Config.EosTokenIds;
        if (options.GenerationConfig == "auto") ids = ids.Concat(checkpoint.GenerationConfig.EosTokenIds ?? []);
        return [.. ids.Distinct()];
    }

    static SamplingDefaults DefaultsOf(EngineOptions options, GenerationConfig generation)
    {
        SamplingDefaults defaults = options.GenerationConfig == "vllm" ? new() : new()
        {
            Temperature = (float?)generation.Temperature,
            TopP = (float?)generation.TopP,
            TopK = generation.TopK,
            MinP = (float?)generation.MinP,
            RepetitionPenalty = (float?)generation.RepetitionPenalty,
            MaxNewTokens = generation.MaxNewTokens,
        };
        return options.OverrideGenerationConfig?.Or(defaults) ?? defaults;
    }

    static TokenizerConfig TokenizerConfigOf(EngineOptions options, Checkpoint checkpoint) =>
        Directory.Exists(options.Tokenizer) ? TokenizerConfig.FromFolder(options.Tokenizer) : checkpoint.TokenizerConfig;

    static Tokenizer LoadTokenizer(EngineOptions options, Checkpoint checkpoint)
    {
        const string FileName = "tokenizer.json";
        if (options.Tokenizer is { } path)
            return Tokenizer.FromFile(Directory.Exists(path) ? Path.Combine(path, FileName) : path);
        return checkpoint.GgufMetadata is { } metadata
            ? Tokenizer.FromGguf(metadata)
            : Tokenizer.FromFile(Path.Combine(checkpoint.Path, FileName));
    }

    static (Tokenizer, ChatTemplate?) LoadText(EngineOptions options, Checkpoint checkpoint, TokenizerConfig config)
    {
        Tokenizer tokenizer = LoadTokenizer(options, checkpoint);
        string? source = options.ChatTemplate is { } given
            ? File.Exists(given) ? File.ReadAllText(given) : given
            : config.ChatTemplate;
        try
        {
            return (tokenizer, source is null ? null : ChatTemplate.Compile(source));
        }
        catch (ChatTemplateException e)
        {
            throw new ArgumentException($"the chat template cannot be used: line {e.Line}: {e.Message}; choose another with --chat-template", e);
        }
    }
}
