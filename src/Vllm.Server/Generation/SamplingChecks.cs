using Vllm.Server.Protocol;

namespace Vllm.Server.Generation;

/// <summary>vLLM's checks of sampling parameters, in its order and words.</summary>
static class SamplingChecks
{
    /// <summary>Most answers per prompt (vLLM's <c>VLLM_MAX_N_SEQUENCES</c>).</summary>
    const int MaxN = 16384;

    /// <summary>What can be said without the model.</summary>
    public static void CheckValues(SamplingParams p)
    {
        if (p.N < 1) Fail($"n must be at least 1, got {p.N}.");
        if (p.N > MaxN) Fail($"n must be at most {MaxN}, got {p.N}.");
        CheckPenalties(p);
        if (p.Temperature < 0) FailValue("temperature must be non-negative", "temperature", p.Temperature);
        if (!(p.Temperature <= 2)) FailValue("temperature must be in [0, 2]", "temperature", p.Temperature);
        if (!(p.TopP > 0 && p.TopP <= 1)) FailValue("top_p must be in (0, 1]", "top_p", p.TopP);
        if (p.TopK < -1) Fail($"top_k must be 0 (disable), or at least 1, got {p.TopK}.");
        if (!(p.MinP >= 0 && p.MinP <= 1)) Fail($"min_p must be in [0, 1], got {PythonText.Float(p.MinP)}.");
        if (p.MaxTokens is < 1 and var maxTokens)
            throw new RequestException(ApiError.Value($"max_tokens must be at least 1, got {maxTokens}.", "max_tokens", $"{maxTokens}"));
        if (p.MinTokens < 0) Fail($"min_tokens must be greater than or equal to 0, got {p.MinTokens}.");
        if (p.MinTokens > p.MaxTokens)
            Fail($"min_tokens must be less than or equal to max_tokens={p.MaxTokens}, got {p.MinTokens}.");
        if (p.Stop.Contains("")) Fail("stop cannot contain an empty string.");
        if (p.IsGreedy && p.N > 1) Fail($"n must be 1 when using greedy sampling, got {p.N}.");
    }

    static void CheckPenalties(SamplingParams p)
    {
        if (!(Math.Abs(p.PresencePenalty) <= 2))
            Fail($"presence_penalty must be in [-2, 2], got {PythonText.Float(p.PresencePenalty)}.");
        if (!(Math.Abs(p.FrequencyPenalty) <= 2))
            Fail($"frequency_penalty must be in [-2, 2], got {PythonText.Float(p.FrequencyPenalty)}.");
        if (!float.IsFinite(p.RepetitionPenalty))
            Fail($"repetition_penalty must be a finite number, got {PythonText.Float(p.RepetitionPenalty)}.");
        if (p.RepetitionPenalty <= 0)
            Fail($"repetition_penalty must be greater than zero, got {PythonText.Float(p.RepetitionPenalty)}.");
    }

    /// <summary>What depends on the model and the engine's limits. In a stream these errors come as events, as vLLM finds
    /// them only after the answer has begun.</summary>
    public static void CheckAgainstModel(SamplingParams p, EngineConfig config, Func<string, int> countTokens)
    {
        CheckLogprobs(p.Logprobs, "sample", "logprobs", config);
        CheckLogprobs(p.PromptLogprobs, "prompt", "prompt_logprobs", config);
        CheckVocabulary(p.LogitBias?.Keys, "logit_bias", config);
        CheckVocabulary(p.StopTokenIds, "stop_token_ids", config);
        if (p.AllowedTokenIds is { Count: 0 })
            throw new RequestException(ApiError.Value("allowed_token_ids is not None and empty!", "allowed_token_ids", "[]"));
        if (p.AllowedTokenIds is { } allowed && OutOfVocabulary(allowed, config) is { Count: > 0 })
        {
            throw new RequestException(ApiError.Value("allowed_token_ids contains out-of-vocab token id!",
                "allowed_token_ids", PythonText.List(allowed)));
        }
        if (p.BadWords.Any(word => countTokens(word) == 0))
        {
            throw new RequestException(ApiError.Value("bad_words entries must tokenize to at least one token.",
                "bad_words", PythonText.List(p.BadWords)));
        }
    }

    static void CheckLogprobs(int? count, string kind, string field, EngineConfig config)
    {
        int requested = count is -1 ? config.VocabSize : count ?? 0;
        int limit = config.Options.MaxLogprobs is -1 ? config.VocabSize : config.Options.MaxLogprobs;
        if (requested <= limit) return;
        throw new RequestException(ApiError.Value(
            $"Requested {kind} logprobs of {requested}, which is greater than max allowed: {limit}", field, $"{requested}"));
    }

    static void CheckVocabulary(IEnumerable<int>? tokenIds, string field, EngineConfig config)
    {
        List<int> wrong = OutOfVocabulary(tokenIds ?? [], config);
        if (wrong.Count == 0) return;
        string text = PythonText.List(wrong);
        throw new RequestException(ApiError.Value(
            $"token_id(s) {text} in {field} contain out-of-vocab token ids. Vocabulary size: {config.VocabSize}", field, text));
    }

    static List<int> OutOfVocabulary(IEnumerable<int> tokenIds, EngineConfig config) =>
        [.. tokenIds.Where(id => id < 0 || id >= config.VocabSize)];

    static void Fail(string message) => throw new RequestException(ApiError.BadRequest(message));

    static void FailValue(string rule, string field, float value)
    {
        string text = PythonText.Float(value);
        throw new RequestException(ApiError.Value($"{rule}, got {text}.", field, text));
    }
}
