using Vllm.Kernels;

namespace Vllm;

/// <summary>What was settled at start from <see cref="EngineOptions"/>, the model and the machine; never changes.</summary>
public sealed record EngineConfig
{
    public required EngineOptions Options { get; init; }

    /// <summary>Architecture as the checkpoint names it: <c>LlamaForCausalLM</c>.</summary>
    public required string Architecture { get; init; }

    public required DType Dtype { get; init; }

    public required string DeviceName { get; init; }

    public required int MaxModelLen { get; init; }

    /// <summary>Most tokens in one step.</summary>
    public int MaxNumBatchedTokens => Options.ResolvedMaxNumBatchedTokens;

    public required int BlockSize { get; init; }

    /// <summary>Blocks of the cache, the null block included.</summary>
    public required int NumBlocks { get; init; }

    public required long KvCacheBytes { get; init; }

    /// <summary>Blocks that the host keeps of what the cache gives up.</summary>
    public int NumHostBlocks { get; init; }

    public required long WeightBytes { get; init; }

    /// <summary>How the weights are stored: "int4 g32 + min".</summary>
    public required string WeightFormat { get; init; }

    /// <summary>From opening the checkpoint to an engine that can begin.</summary>
    public TimeSpan LoadTime { get; init; }

    public required int VocabSize { get; init; }

    /// <summary>Ids that end an answer: the model's end-of-sequence token first.</summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }

    /// <summary>Texts that chat templates put at the start and after an answer; null when the tokenizer names none.</summary>
    public string? BosToken { get; init; }

    public string? EosToken { get; init; }

    /// <summary>Sampling defaults of the model's generation_config.json; unset fields keep vLLM's defaults.</summary>
    public required SamplingDefaults SamplingDefaults { get; init; }

    /// <summary>Tokens that the cache holds.</summary>
    public long KvCacheTokens => (long)(NumBlocks - 1) * BlockSize;

    /// <summary>Requests of the full length that fit at once.</summary>
    public double MaxConcurrency => (double)KvCacheTokens / MaxModelLen;
}

/// <summary>Sampling parameters that a model asks for when a request does not say; null = vLLM's default.</summary>
public sealed record SamplingDefaults
{
    public float? Temperature { get; init; }
    public float? TopP { get; init; }
    public int? TopK { get; init; }
    public float? MinP { get; init; }
    public float? RepetitionPenalty { get; init; }
    public int? MaxNewTokens { get; init; }

    /// <summary>No request gets more than <see cref="MaxNewTokens"/>: the operator, not the model, chose it.</summary>
    public bool MaxNewTokensIsLimit { get; init; }

    /// <summary>These defaults, where they say something, else <paramref name="others"/>.</summary>
    public SamplingDefaults Or(SamplingDefaults others) => new()
    {
        Temperature = Temperature ?? others.Temperature,
        TopP = TopP ?? others.TopP,
        TopK = TopK ?? others.TopK,
        MinP = MinP ?? others.MinP,
        RepetitionPenalty = RepetitionPenalty ?? others.RepetitionPenalty,
        MaxNewTokens = MaxNewTokens ?? others.MaxNewTokens,
        MaxNewTokensIsLimit = MaxNewTokens is not null,
    };

    public SamplingParams ToSamplingParams()
    {
        var defaults = new SamplingParams();
        return defaults with
        {
            Temperature = Temperature ?? defaults.Temperature,
            TopP = TopP ?? defaults.TopP,
            TopK = TopK ?? defaults.TopK,
            MinP = MinP ?? defaults.MinP,
            RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
            MaxTokens = MaxNewTokens ?? defaults.MaxTokens,
        };
    }
}
