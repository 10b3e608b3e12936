using System.Globalization;

namespace Vllm.Engine.Sampling;

/// <summary>vLLM's rules for sampling parameters, with its messages and in its order.</summary>
static class SamplingParamsRules
{
    const int MaxLogprobTokenIds = 128;

    public static IEnumerable<ParameterError> Check(SamplingParams p)
    {
        foreach (ParameterError error in CheckRepetitionDetection(p.RepetitionDetection)) yield return error;
        if (p.ThinkingTokenBudget < -1)
            yield return new("`thinking_token_budget` must be a non-negative integer or -1 for unlimited.",
                "thinking_token_budget", $"{p.ThinkingTokenBudget}");
        if (CheckNumSequences(p.N, "n") is { } tooMany) yield return tooMany;
        foreach (ParameterError error in CheckNumbers(p)) yield return error;
        foreach (ParameterError error in CheckLengths(p)) yield return error;
        foreach (ParameterError error in CheckTexts(p)) yield return error;
        if (p.IsGreedy && p.N > 1) yield return new($"n must be 1 when using greedy sampling, got {p.N}.");
    }

    static IEnumerable<ParameterError> CheckRepetitionDetection(RepetitionDetectionParams? p)
    {
        if (p is null) yield break;
        if (p.MaxPatternSize < 0 || p.MinPatternSize < 0 || p.MinPatternSize > p.MaxPatternSize)
            yield return new("max_pattern_size, min_pattern_size must be >=0, with min_pattern_size <= "
                + "max_pattern_size. Set both to 0 to disable repetitive pattern detection.");
        if (p.MaxPatternSize > 0 && p.MinCount < 2)
            yield return new("min_count must be >= 2 to detect repetitive patterns in engine output. "
                + "If you do not wish to detect repetitive patterns, set max_pattern_size to 0.");
    }

    /// <summary>The rule for the number of answers, which is also the width of a beam search.</summary>
    public static ParameterError? CheckNumSequences(int value, string parameter)
    {
        int max = int.TryParse(Environment.GetEnvironmentVariable("VLLM_MAX_N_SEQUENCES"), out int set) ? set : 16384;
        return value < 1 ? new($"{parameter} must be at least 1, got {value}.")
            : value > max ? new($"{parameter} must be at most {max}, got {value}. To increase this limit, set the "
                + "VLLM_MAX_N_SEQUENCES environment variable.")
            : null;
    }

    static IEnumerable<ParameterError> CheckNumbers(SamplingParams p)
    {
        // Comparisons are written so that NaN breaks them.
        if (!(p.PresencePenalty is >= -2 and <= 2))
            yield return new($"presence_penalty must be in [-2, 2], got {Text(p.PresencePenalty)}.");
        if (!(p.FrequencyPenalty is >= -2 and <= 2))
            yield return new($"frequency_penalty must be in [-2, 2], got {Text(p.FrequencyPenalty)}.");
        if (!float.IsFinite(p.RepetitionPenalty))
            yield return new($"repetition_penalty must be a finite number, got {Text(p.RepetitionPenalty)}.");
        else if (p.RepetitionPenalty <= 0)
            yield return new($"repetition_penalty must be greater than zero, got {Text(p.RepetitionPenalty)}.");
        string temperature = Text(p.Temperature);
        if (!float.IsFinite(p.Temperature))
            yield return new($"temperature must be a finite number, got {temperature}.", "temperature", temperature);
        else if (p.Temperature < 0)
            yield return new($"temperature must be non-negative, got {temperature}.", "temperature", temperature);
        else if (p.Temperature > 2)
            yield return new($"temperature must be in [0, 2], got {temperature}.", "temperature", temperature);
        if (!(p.TopP is > 0 and <= 1))
            yield return new($"top_p must be in (0, 1], got {Text(p.TopP)}.", "top_p", Text(p.TopP));
        if (p.TopK < -1) yield return new($"top_k must be 0 (disable), or at least 1, got {p.TopK}.");
        if (!(p.MinP is >= 0 and <= 1)) yield return new($"min_p must be in [0, 1], got {Text(p.MinP)}.");
    }

    static IEnumerable<ParameterError> CheckLengths(SamplingParams p)
    {
        if (p.MaxTokens < 1)
            yield return new($"max_tokens must be at least 1, got {p.MaxTokens}.", "max_tokens", $"{p.MaxTokens}");
        if (p.MinTokens < 0)
            yield return new($"min_tokens must be greater than or equal to 0, got {p.MinTokens}.");
        if (p.MinTokens > p.MaxTokens)
            yield return new($"min_tokens must be less than or equal to max_tokens={p.MaxTokens}, got {p.MinTokens}.");
        if (p.StreamInterval < 1)
            yield return new($"stream_interval must be at least 1, got {p.StreamInterval}.",
                "stream_interval", $"{p.StreamInterval}");
        if (p.Logprobs < -1)
            yield return new($"logprobs must be non-negative or -1, got {p.Logprobs}.", "logprobs", $"{p.Logprobs}");
        if (p.PromptLogprobs < -1)
            yield return new($"prompt_logprobs must be non-negative or -1, got {p.PromptLogprobs}.",
                "prompt_logprobs", $"{p.PromptLogprobs}");
    }

    static IEnumerable<ParameterError> CheckTexts(SamplingParams p)
    {
        if (p.Stop.Any(string.IsNullOrEmpty)) yield return new("stop cannot contain an empty string.");
        if (p.Stop.Count > 0 && !p.Detokenize)
            yield return new("stop strings are only supported when detokenize is True. "
                + "Set detokenize=True to use stop.");
        if (p.BadWords.Any(string.IsNullOrEmpty))
            yield return new("bad_words cannot contain an empty string. Got bad_words="
                + $"[{string.Join(", ", p.BadWords.Distinct().Select(Quote))}]");
    }

    public static IEnumerable<ParameterError> Check(
        SamplingParams p, int vocabSize, int maxLogprobs, bool isSpeculative)
    {
        ParameterError?[] errors =
        [
            CheckNumLogprobs(p.Logprobs, "sample", "logprobs", vocabSize, maxLogprobs),
            CheckLogprobTokenIds(p, vocabSize),
            CheckNumLogprobs(p.PromptLogprobs, "prompt", "prompt_logprobs", vocabSize, maxLogprobs),
            CheckTokenIds(p.LogitBias?.Keys, "logit_bias", vocabSize),
            CheckTokenIds(p.StopTokenIds, "stop_token_ids", vocabSize),
            CheckAllowedTokenIds(p.AllowedTokenIds, vocabSize),
            // Greedy ignores min-p.
            isSpeculative && ((p.MinP > 1e-5f && !p.IsGreedy) || p.LogitBias is { Count: > 0 })
                ? new("The min_p and logit_bias sampling parameters are not yet supported with speculative decoding.")
                : null,
        ];
        return errors.OfType<ParameterError>();
    }

    static ParameterError? CheckNumLogprobs(int? asked, string what, string parameter, int vocabSize, int max)
    {
        int count = asked == -1 ? vocabSize : asked ?? 0;
        return count <= max
            ? null
            : new($"Requested {what} logprobs of {count}, which is greater than max allowed: {max}",
                parameter, $"{count}");
    }

    static ParameterError? CheckLogprobTokenIds(SamplingParams p, int vocabSize)
    {
        if (p.LogprobTokenIds is not { } ids) return null;
        if (ids.Count > MaxLogprobTokenIds)
            return new($"Requested logprob_token_ids of length {ids.Count}, which is greater than max allowed: "
                + $"{MaxLogprobTokenIds}", "logprob_token_ids", $"{ids.Count}");
        if (CheckTokenIds(ids, "logprob_token_ids", vocabSize) is { } error) return error;
        return p.Logprobs is null || p.Logprobs == ids.Count
            ? null
            : new("When both logprobs and logprob_token_ids are set, logprobs must equal len(logprob_token_ids). Got "
                + $"logprobs={p.Logprobs}, len(logprob_token_ids)={ids.Count}.", "logprob_token_ids", $"{ids.Count}");
    }

    static ParameterError? CheckTokenIds(IEnumerable<int>? ids, string parameter, int vocabSize)
    {
        string invalid = Invalid(ids ?? [], vocabSize);
        return invalid == "[]"
            ? null
            : new($"token_id(s) {invalid} in {parameter} contain out-of-vocab token ids. Vocabulary size: {vocabSize}",
                parameter, invalid);
    }

    static ParameterError? CheckAllowedTokenIds(IReadOnlyList<int>? ids, int vocabSize) =>
        ids is null ? null
        : ids.Count == 0 ? new("allowed_token_ids is not None and empty!", "allowed_token_ids", "[]")
        : Invalid(ids, vocabSize) is var invalid and not "[]"
            ? new("allowed_token_ids contains out-of-vocab token id!", "allowed_token_ids", invalid)
            : null;

    static string Invalid(IEnumerable<int> ids, int vocabSize) =>
        $"[{string.Join(", ", ids.Where(id => id < 0 || id >= vocabSize))}]";

    /// <summary>A number as Python prints it: 1.0, 1e-06, nan.</summary>
    static string Text(float value)
    {
        if (float.IsNaN(value)) return "nan";
        if (float.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        float magnitude = MathF.Abs(value);
        if (magnitude is not 0 and (< 1e-4f or >= 1e16f))
            return value.ToString("0.#########e-00", CultureInfo.InvariantCulture);
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        if (text.Contains('E')) text = ((decimal)value).ToString(CultureInfo.InvariantCulture);
        return text.Contains('.') ? text : text + ".0";
    }

    /// <summary>A string as Python prints it in a list.</summary>
    static string Quote(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        string escaped = text.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\t", "\\t").Replace("\r", "\\r");
        return quote + (quote == '\'' ? escaped.Replace("'", "\\'") : escaped) + quote;
    }
}
