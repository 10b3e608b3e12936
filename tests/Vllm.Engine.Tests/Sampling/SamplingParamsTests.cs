using System.Text.Json;

namespace Vllm.Tests.Sampling;

/// <summary>Normalised values and messages, against those recorded from vLLM.</summary>
public class SamplingParamsTests
{
    public static TheoryData<string> Cases() => SamplingCase.Names("params", IsExpressible);

    /// <summary>Leaves out what C#'s types rule out before these rules (a fraction for an integer, a name for a token
    /// id); the reader of the request has to refuse it.</summary>
    static bool IsExpressible(JsonElement c)
    {
        if (c.GetProperty("kind").GetString() != "sampling_params") return false;
        foreach (JsonProperty input in c.GetProperty("input").EnumerateObject())
        {
            bool isInteger = input.Name is "n" or "top_k" or "seed" or "max_tokens" or "min_tokens" or "logprobs"
                or "prompt_logprobs" or "thinking_token_budget" or "stream_interval";
            if (isInteger && (input.Value.ValueKind is not (JsonValueKind.Number or JsonValueKind.Null)
                || (input.Value.ValueKind == JsonValueKind.Number && !input.Value.TryGetInt64(out _)))) return false;
            if (input.Name == "logit_bias" && input.Value.ValueKind == JsonValueKind.Object
                && input.Value.EnumerateObject().Any(e => !int.TryParse(e.Name, out _))) return false;
            if (input.Name.EndsWith("_token_ids", StringComparison.Ordinal)
                && input.Value.ValueKind == JsonValueKind.Array
                && input.Value.EnumerateArray().Any(e => e.ValueKind != JsonValueKind.Number || !e.TryGetInt32(out _)))
                return false;
            if (input.Name == "extra_args") return false;
        }
        return true;
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Validate_GivesRecordedErrorAndValues(string name)
    {
        JsonElement recorded = Fixtures.Lines(Path.Combine(Fixtures.Family("sampling"), "params", "cases.jsonl"))
            .Single(line => line.GetProperty("name").GetString() == name);
        SamplingParams input = Read(recorded.GetProperty("input"));
        JsonElement error = recorded.GetProperty("error");
        bool isConstructed = error.ValueKind == JsonValueKind.Null
            || error.GetProperty("stage").GetString() != "construct";

        IReadOnlyList<ParameterError> errors = input.Validate();
        if (isConstructed)
        {
            Assert.Empty(errors);
            errors = input.Validate(
                recorded.GetProperty("vocab_size").GetInt32(), recorded.GetProperty("max_logprobs").GetInt32(),
                recorded.GetProperty("speculative").GetString() != "none");
            if (recorded.TryGetProperty("constructed", out JsonElement constructed))
                Compare(constructed, input.Normalize());
        }

        if (error.ValueKind == JsonValueKind.Null) Assert.Empty(errors);
        else Assert.Equal(error.GetProperty("text").GetString(), errors[0].ToString());

        if (recorded.TryGetProperty("after_generation_config", out JsonElement after))
            Compare(after, WithGenerationConfig(input.Normalize(), recorded));
    }

    static SamplingParams WithGenerationConfig(SamplingParams p, JsonElement recorded)
    {
        JsonElement config = recorded.GetProperty("generation_config");
        int[] endTokenIds = !config.TryGetProperty("eos_token_id", out JsonElement eos) ? []
            : eos.ValueKind == JsonValueKind.Array ? SamplingCase.ReadInts(eos)
            : [eos.GetInt32()];
        JsonElement primary = recorded.GetProperty("primary_eos_token_id");
        return p.WithEndTokens(endTokenIds, primary.ValueKind == JsonValueKind.Number ? primary.GetInt32() : null);
    }

    static SamplingParams Read(JsonElement input)
    {
        var p = new SamplingParams();
        foreach (JsonProperty property in input.EnumerateObject())
        {
            JsonElement v = property.Value;
            bool isNull = v.ValueKind == JsonValueKind.Null;
            p = property.Name switch
            {
                "n" => p with { N = v.GetInt32() },
                "temperature" => p with { Temperature = Float(v) },
                "top_p" => p with { TopP = Float(v) },
                "top_k" => p with { TopK = v.GetInt32() },
                "min_p" => p with { MinP = Float(v) },
                "presence_penalty" => p with { PresencePenalty = Float(v) },
                "frequency_penalty" => p with { FrequencyPenalty = Float(v) },
                "repetition_penalty" => p with { RepetitionPenalty = Float(v) },
                "seed" => p with { Seed = isNull ? null : v.GetInt64() },
                "stop" when v.ValueKind == JsonValueKind.String => p with { Stop = [v.GetString()!] },
                "stop" => p with { Stop = isNull ? [] : Strings(v) },
                "stop_token_ids" => p with { StopTokenIds = isNull ? [] : SamplingCase.ReadInts(v) },
                "ignore_eos" => p with { IgnoreEos = v.GetBoolean() },
                "max_tokens" => p with { MaxTokens = isNull ? null : v.GetInt32() },
                "min_tokens" => p with { MinTokens = v.GetInt32() },
                "logprobs" => p with { Logprobs = isNull ? null : v.GetInt32() },
                "prompt_logprobs" => p with { PromptLogprobs = isNull ? null : v.GetInt32() },
                "logprob_token_ids" => p with { LogprobTokenIds = isNull ? null : SamplingCase.ReadInts(v) },
                "detokenize" => p with { Detokenize = v.GetBoolean() },
                "include_stop_str_in_output" => p with { IncludeStopStrInOutput = v.GetBoolean() },
                "bad_words" => p with { BadWords = isNull ? [] : Strings(v) },
                "logit_bias" => p with
                {
                    LogitBias = isNull ? null
                        : v.EnumerateObject().ToDictionary(e => int.Parse(e.Name), e => Float(e.Value)),
                },
                "allowed_token_ids" => p with { AllowedTokenIds = isNull ? null : SamplingCase.ReadInts(v) },
                "skip_reading_prefix_cache" => isNull ? p : p with { SkipReadingPrefixCache = v.GetBoolean() },
                "thinking_token_budget" => p with { ThinkingTokenBudget = isNull ? null : v.GetInt32() },
                "stream_interval" => p with { StreamInterval = isNull ? null : v.GetInt32() },
                "repetition_detection" => p with { RepetitionDetection = isNull ? null : Repetition(v) },
                "skip_special_tokens" => p with { SkipSpecialTokens = v.GetBoolean() },
                "spaces_between_special_tokens" => p with { SpacesBetweenSpecialTokens = v.GetBoolean() },
                _ => throw new InvalidDataException($"the test does not know the parameter {property.Name}"),
            };
        }
        return p;
    }

    static RepetitionDetectionParams Repetition(JsonElement v)
    {
        int Int(string name) => v.TryGetProperty(name, out JsonElement e) ? e.GetInt32() : 0;
        return new()
        {
            MaxPatternSize = Int("max_pattern_size"),
            MinPatternSize = Int("min_pattern_size"),
            MinCount = Int("min_count"),
        };
    }

    static float Float(JsonElement v) => v.ValueKind == JsonValueKind.Number ? v.GetSingle()
        : v.GetProperty("$float").GetString() switch
        {
            "nan" => float.NaN,
            "inf" => float.PositiveInfinity,
            _ => float.NegativeInfinity,
        };

    static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetString()!)];

    static void Compare(JsonElement expected, SamplingParams actual)
    {
        foreach (JsonProperty property in expected.EnumerateObject())
        {
            object? value = property.Name switch
            {
                "n" => actual.N,
                "temperature" => actual.Temperature,
                "top_p" => actual.TopP,
                "top_k" => actual.TopK,
                "min_p" => actual.MinP,
                "presence_penalty" => actual.PresencePenalty,
                "frequency_penalty" => actual.FrequencyPenalty,
                "repetition_penalty" => actual.RepetitionPenalty,
                "seed" => actual.Seed,
                "stop" => actual.Stop,
                "stop_token_ids" => actual.StopTokenIds.Order(),
                "ignore_eos" => actual.IgnoreEos,
                "max_tokens" => actual.MaxTokens,
                "min_tokens" => actual.MinTokens,
                "logprobs" => actual.Logprobs,
                "num_logprobs" => actual.NumLogprobs,
                "prompt_logprobs" => actual.PromptLogprobs,
                "logprob_token_ids" => actual.LogprobTokenIds,
                "bad_words" => actual.BadWords,
                "logit_bias" => actual.LogitBias?.ToDictionary(e => $"{e.Key}", e => e.Value),
                "allowed_token_ids" => actual.AllowedTokenIds,
                "skip_reading_prefix_cache" => actual.SkipReadingPrefixCache,
                "thinking_token_budget" => actual.ThinkingTokenBudget,
                "stream_interval" => actual.StreamInterval,
                "sampling_type" => actual.IsGreedy ? "GREEDY" : actual.Seed is null ? "RANDOM" : "RANDOM_SEED",
                _ => property.Value, // other parts of the engine hold it
            };
            JsonElement found = JsonSerializer.SerializeToElement(value);
            JsonElement recorded = property.Name == "stop_token_ids"
                ? JsonSerializer.SerializeToElement(SamplingCase.ReadInts(property.Value).Order())
                : property.Value;
            Assert.True(AreEqual(recorded, found), $"{property.Name}: {found}, recorded {property.Value}");
        }
    }

    // Numbers as fp32: 0.1 is one float, 1 and 1.0 are equal.
    static bool AreEqual(JsonElement a, JsonElement b) => a.ValueKind == JsonValueKind.Number
        ? b.ValueKind == JsonValueKind.Number && a.GetSingle() == b.GetSingle()
        : JsonElement.DeepEquals(a, b);
}
