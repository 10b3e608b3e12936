using Vllm.Models.Loading;

namespace Vllm.Models;

/// <summary>
/// What a checkpoint recommends for sampling (generation_config.json); null: no recommendation. These are the keys
/// that vLLM takes as defaults of requests.
/// </summary>
public sealed record GenerationConfig
{
    public const string FileName = "generation_config.json";

    public IReadOnlyList<int>? EosTokenIds { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int? TopK { get; init; }

    public double? MinP { get; init; }

    public double? RepetitionPenalty { get; init; }

    public double? PresencePenalty { get; init; }

    public double? FrequencyPenalty { get; init; }

    public int? MaxNewTokens { get; init; }

    public bool? SkipSpecialTokens { get; init; }

    /// <summary>Reads the file of a folder; empty when there is none.</summary>
    public static GenerationConfig Read(string folder)
    {
        string file = Path.Combine(folder, FileName);
        if (!File.Exists(file)) return new();
        ConfigObject config = ConfigObject.Read(file);
        return new()
        {
            EosTokenIds = config.Ints("eos_token_id"),
            Temperature = config.Double("temperature"),
            TopP = config.Double("top_p"),
            TopK = config.Int("top_k", min: -1, max: int.MaxValue),
            MinP = config.Double("min_p"),
            RepetitionPenalty = config.Double("repetition_penalty"),
            PresencePenalty = config.Double("presence_penalty"),
            FrequencyPenalty = config.Double("frequency_penalty"),
            MaxNewTokens = config.Int("max_new_tokens", max: int.MaxValue),
            SkipSpecialTokens = config.Bool("skip_special_tokens"),
        };
    }
}
