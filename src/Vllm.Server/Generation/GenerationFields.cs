using System.Globalization;
using System.Text.Json;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Generation;

/// <summary>The fields that chat and text completions share, as the client sent them: null is "not said".</summary>
sealed record GenerationFields
{
    public required string? Model { get; init; }
    public required bool Stream { get; init; }
    public required bool IncludeUsage { get; init; }
    public required bool ContinuousUsageStats { get; init; }
    public required bool Echo { get; init; }
    public required bool ReturnTokenIds { get; init; }

    /// <summary>Null: as the server's option says.</summary>
    public required bool? ReturnTokensAsTokenIds { get; init; }

    public required int? TruncatePromptTokens { get; init; }

    /// <summary>Keep the prompt's beginning rather than its end.</summary>
    public required bool TruncateRight { get; init; }

    public required int StreamInterval { get; init; }
    public required string? RequestId { get; init; }
    public required int Priority { get; init; }
    public required string? CacheSalt { get; init; }
    public required int N { get; init; }
    public required double? Temperature { get; init; }
    public required double? TopP { get; init; }
    public required int? TopK { get; init; }
    public required double? MinP { get; init; }
    public required double? PresencePenalty { get; init; }
    public required double? FrequencyPenalty { get; init; }
    public required double? RepetitionPenalty { get; init; }
    public required long? Seed { get; init; }
    public required int MinTokens { get; init; }
    public required IReadOnlyList<string> Stop { get; init; }
    public required IReadOnlyList<int> StopTokenIds { get; init; }
    public required bool IgnoreEos { get; init; }
    public required bool IncludeStopStrInOutput { get; init; }
    public required bool SkipSpecialTokens { get; init; }
    public required bool SpacesBetweenSpecialTokens { get; init; }
    public required IReadOnlyDictionary<int, float>? LogitBias { get; init; }
    public required IReadOnlyList<int>? AllowedTokenIds { get; init; }
    public required IReadOnlyList<string> BadWords { get; init; }
    public required int? PromptLogprobs { get; init; }
    public required IReadOnlyDictionary<string, object>? ExtraArgs { get; init; }
    public required bool UseBeamSearch { get; init; }
    public required double LengthPenalty { get; init; }
    public required IReadOnlyList<int>? LogprobTokenIds { get; init; }
    public required RepetitionDetectionParams? RepetitionDetection { get; init; }

    public static GenerationFields Read(RequestFields fields)
    {
        bool includeUsage = fields.TryGet("stream_options", out JsonElement options)
            && new RequestFields(options).Bool("include_usage");
        return new GenerationFields
        {
            Model = fields.String("model"),
            Stream = fields.Bool("stream"),
            IncludeUsage = includeUsage,
            ContinuousUsageStats = includeUsage && new RequestFields(options).Bool("continuous_usage_stats"),
            Echo = fields.Bool("echo"),
            ReturnTokenIds = fields.Bool("return_token_ids"),
            ReturnTokensAsTokenIds = fields.TryGet("return_tokens_as_token_ids", out _)
                ? fields.Bool("return_tokens_as_token_ids")
                : null,
            TruncatePromptTokens = fields.Int("truncate_prompt_tokens"),
            TruncateRight = fields.String("truncation_side") == "right",
            StreamInterval = fields.Int("stream_interval") ?? 1,
            RequestId = fields.String("request_id"),
            Priority = fields.Int("priority") ?? 0,
            CacheSalt = fields.String("cache_salt"),
            N = fields.Int("n") ?? 1,
            Temperature = fields.Float("temperature"),
            TopP = fields.Float("top_p"),
            TopK = fields.Int("top_k"),
            MinP = fields.Float("min_p"),
            PresencePenalty = fields.Float("presence_penalty"),
            FrequencyPenalty = fields.Float("frequency_penalty"),
            RepetitionPenalty = fields.Float("repetition_penalty"),
            Seed = (long?)fields.Integer("seed"),
            MinTokens = fields.Int("min_tokens") ?? 0,
            Stop = fields.StringList("stop"),
            StopTokenIds = fields.IntList("stop_token_ids") ?? [],
            IgnoreEos = fields.Bool("ignore_eos"),
            IncludeStopStrInOutput = fields.Bool("include_stop_str_in_output"),
            SkipSpecialTokens = fields.Bool("skip_special_tokens", true),
            SpacesBetweenSpecialTokens = fields.Bool("spaces_between_special_tokens", true),
            LogitBias = ReadLogitBias(fields),
            AllowedTokenIds = fields.IntList("allowed_token_ids"),
            BadWords = fields.StringList("bad_words"),
            PromptLogprobs = fields.Int("prompt_logprobs"),
            ExtraArgs = Generation.ExtraArgs.Read(fields),
            UseBeamSearch = fields.Bool("use_beam_search"),
            LengthPenalty = fields.Float("length_penalty") ?? 1,
            LogprobTokenIds = fields.IntList("logprob_token_ids"),
            RepetitionDetection = ReadRepetitionDetection(fields),
        };
    }

    static RepetitionDetectionParams? ReadRepetitionDetection(RequestFields fields)
    {
        if (!fields.TryGet("repetition_detection", out JsonElement value)) return null;
        var members = new RequestFields(value);
        return new RepetitionDetectionParams
        {
            MaxPatternSize = members.Int("max_pattern_size") ?? 0,
            MinPatternSize = members.Int("min_pattern_size") ?? 0,
            MinCount = members.Int("min_count") ?? 0,
        };
    }

    static Dictionary<int, float>? ReadLogitBias(RequestFields fields)
    {
        if (!fields.TryGet("logit_bias", out JsonElement map)) return null;
        var bias = new Dictionary<int, float>();
        List<string> badKeys = [];
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            LaxValue.TryFloat(entry.Value, out double value);
            if (int.TryParse(entry.Name, NumberStyles.Integer, CultureInfo.InvariantCulture, out int tokenId))
                bias[tokenId] = (float)Math.Clamp(value, -100, 100);
            else
                badKeys.Add(entry.Name);
        }
        if (badKeys.Count == 0) return bias;
        throw RequestException.Value(
            $"logit_bias contains key(s) that cannot be converted to integer token IDs: {PythonText.List(badKeys)}",
            "logit_bias", PythonText.List(badKeys));
    }

    /// <summary>The sampling parameters: what the request says, else the model's defaults, else vLLM's.</summary>
    public SamplingParams ToSamplingParams(
        SamplingDefaults defaults, Int128 maxTokens, int? logprobs, int? promptLogprobs)
    {
        var samplingParams = new SamplingParams
        {
            N = N,
            Temperature = (float)(Temperature ?? defaults.Temperature ?? 1),
            TopP = (float)(TopP ?? defaults.TopP ?? 1),
            TopK = TopK ?? defaults.TopK ?? 0,
            MinP = (float)(MinP ?? defaults.MinP ?? 0),
            PresencePenalty = (float)(PresencePenalty ?? 0),
            FrequencyPenalty = (float)(FrequencyPenalty ?? 0),
            RepetitionPenalty = (float)(RepetitionPenalty ?? defaults.RepetitionPenalty ?? 1),
            Seed = Seed,
            Stop = Stop,
            StopTokenIds = StopTokenIds,
            IgnoreEos = IgnoreEos,
            MaxTokens = (int)Int128.Clamp(maxTokens, int.MinValue, int.MaxValue),
            MinTokens = MinTokens,
            // Given tokens are reported in place of the most likely ones, however many were asked for.
            Logprobs = LogprobTokenIds is null ? logprobs : null,
            LogprobTokenIds = LogprobTokenIds,
            RepetitionDetection = RepetitionDetection,
            PromptLogprobs = promptLogprobs,
            SkipSpecialTokens = SkipSpecialTokens,
            SpacesBetweenSpecialTokens = SpacesBetweenSpecialTokens,
            IncludeStopStrInOutput = IncludeStopStrInOutput,
            LogitBias = LogitBias,
            AllowedTokenIds = AllowedTokenIds,
            BadWords = BadWords,
            ExtraArgs = ExtraArgs,
            SkipReadingPrefixCache = promptLogprobs is not null,
            OutputKind = Stream ? OutputKind.Delta : OutputKind.FinalOnly,
        };
        SamplingChecks.CheckValues(samplingParams);
        return samplingParams.Normalize();
    }

    /// <summary>The parameters of a beam search, which uses no other field (as in vLLM).</summary>
    public BeamSearchParams ToBeamSearchParams(SamplingDefaults defaults, Int128 maxTokens)
    {
        var beamSearchParams = new BeamSearchParams
        {
            BeamWidth = N,
            MaxTokens = (int)Int128.Clamp(maxTokens, int.MinValue, int.MaxValue),
            IgnoreEos = IgnoreEos,
            Temperature = (float)(Temperature ?? defaults.Temperature ?? 1),
            LengthPenalty = LengthPenalty,
            IncludeStopStrInOutput = IncludeStopStrInOutput,
            SkipSpecialTokens = SkipSpecialTokens,
        };
        if (beamSearchParams.Validate() is [{ } error, ..]) throw RequestException.BadRequest(error.ToString(), error.Parameter);
        return beamSearchParams;
    }
}
