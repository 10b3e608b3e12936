using Vllm.Engine.Sampling;

namespace Vllm;

/// <summary>A parameter that breaks a rule. The message is vLLM's.</summary>
/// <param name="Message">What is wrong.</param>
/// <param name="Parameter">The name in requests, where vLLM tells it.</param>
/// <param name="Value">The offending value in Python's notation.</param>
public sealed record ParameterError(string Message, string? Parameter = null, string? Value = null)
{
    /// <summary>The message as vLLM's responses show it.</summary>
    public override string ToString() =>
        Parameter is null ? Message : $"{Message} (parameter={Parameter}, value={Value})";
}

/// <summary>Ends an answer that repeats itself (finish reason "repetition").</summary>
public sealed record RepetitionDetectionParams
{
    /// <summary>Longest pattern to look for, in tokens; 0 = off.</summary>
    public int MaxPatternSize { get; init; }

    /// <summary>Shortest pattern to look for; 0 = 1.</summary>
    public int MinPatternSize { get; init; }

    /// <summary>Repetitions that end the answer, at least 2.</summary>
    public int MinCount { get; init; }
}

/// <summary>How the tokens of one request are chosen, when it ends and what it returns. Names, defaults and rules are
/// vLLM's (<c>vllm.SamplingParams</c>).</summary>
public sealed record SamplingParams
{
    /// <summary>Smallest temperature above 0; lower ones are raised to it (vLLM's rule against overflowing logits).</summary>
    const float MinTemperature = 0.01f;

    const float MaxLogitBias = 100;

    readonly bool? _skipReadingPrefixCache;

    /// <summary>Number of answers per prompt, 1…16,384. They share the prompt's KV blocks. Must be 1 when greedy.</summary>
    public int N { get; init; } = 1;

    /// <summary>Subtracted from the logit of every token that occurs in the output; [-2, 2].</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit once per occurrence in the output; [-2, 2].</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens in prompt and output; above 0, 1 = off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>0 = greedy, else the divisor of the logits; [0, 2], values below 0.01 count as 0.01.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the smallest set of tokens whose probabilities sum to at least this; (0, 1].</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 or -1 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Drops tokens less likely than this share of the most likely one; [0, 1].</summary>
    public float MinP { get; init; }

    /// <summary>Makes the draw repeatable whatever else is in the batch; null = not repeatable.</summary>
    public long? Seed { get; init; }

    /// <summary>Texts that end the answer; not part of it unless <see cref="IncludeStopStrInOutput"/>.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Token ids that end the answer.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Go on after the end-of-sequence token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Most tokens to generate; null = up to the model's length.</summary>
    public int? MaxTokens { get; init; } = 16;

    /// <summary>No end token and no stop string before this many tokens.</summary>
    public int MinTokens { get; init; }

    /// <summary>Return the log-probabilities of the best so many tokens besides the chosen one; -1 = all; null =
    /// none.</summary>
    public int? Logprobs { get; init; }

    /// <summary>Return the log-probabilities of these tokens instead of the most likely ones; at most 128.</summary>
    public IReadOnlyList<int>? LogprobTokenIds { get; init; }

    /// <summary>The same for the prompt's tokens.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>Return text; without it only ids.</summary>
    public bool Detokenize { get; init; } = true;

    /// <summary>Leave special tokens out of the text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>Put spaces between special tokens that are shown.</summary>
    public bool SpacesBetweenSpecialTokens { get; init; } = true;

    /// <summary>Keep the stop string (or the stop token's text) in the answer.</summary>
    public bool IncludeStopStrInOutput { get; init; }

    /// <summary>Added to the logits of these tokens; clamped to [-100, 100].</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Only these tokens may be chosen.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    /// <summary>Texts that may not be generated.</summary>
    public IReadOnlyList<string> BadWords { get; init; } = [];

    /// <summary>Keep only the last so many tokens of the prompt; -1 = as many as the model takes.</summary>
    public int? TruncatePromptTokens { get; init; }

    /// <summary>Compute the whole prompt although blocks of it are cached. Unless set, true when log-probabilities of
    /// the prompt are asked for, which cached blocks do not have.</summary>
    public bool SkipReadingPrefixCache
    {
        get => _skipReadingPrefixCache ?? PromptLogprobs is not null;
        init => _skipReadingPrefixCache = value;
    }

    /// <summary>Most tokens of reasoning; null or -1 = no limit.</summary>
    public int? ThinkingTokenBudget { get; init; }

    /// <summary>Tokens that an output of a stream waits for, at least 1; null = 1. An answer's first and last tokens are
    /// passed on at once.</summary>
    public int? StreamInterval { get; init; }

    /// <summary>Ends the answer when its end repeats a pattern; null = off.</summary>
    public RepetitionDetectionParams? RepetitionDetection { get; init; }

    /// <summary>Arguments for the engine's own <see cref="LogitsProcessor"/>s, by name; null = none. Values are strings,
    /// numbers (<c>long</c>, <c>ulong</c>, <c>double</c>) or lists of them.</summary>
    public IReadOnlyDictionary<string, object>? ExtraArgs { get; init; }

    /// <summary>What each output of a stream holds.</summary>
    public OutputKind OutputKind { get; init; }

    /// <summary>Chooses the most likely token.</summary>
    public bool IsGreedy => Temperature < 1e-5f;

    /// <summary>Log-probabilities per token besides the chosen one: -1 = all, null = none at all.</summary>
    public int? NumLogprobs => Logprobs ?? (LogprobTokenIds is { Count: > 0 } ids ? ids.Count : null);

    /// <summary>Some token's logit depends on earlier tokens.</summary>
    public bool HasPenalties => RepetitionPenalty != 1 || FrequencyPenalty != 0 || PresencePenalty != 0;

    /// <summary>The same parameters in the form the engine uses: greedy ignores top-p, top-k and min-p; small
    /// temperatures are raised; -1 means off or unset as in vLLM; lists have no duplicates; biases are
    /// clamped.</summary>
    public SamplingParams Normalize()
    {
        bool isGreedy = Temperature == 0;
        return this with
        {
            Temperature = Temperature is > 0 and < MinTemperature ? MinTemperature : Temperature,
            TopP = isGreedy ? 1 : TopP,
            TopK = isGreedy ? 0 : Math.Max(TopK, 0),
            MinP = isGreedy ? 0 : MinP,
            Seed = Seed == -1 ? null : Seed,
            ThinkingTokenBudget = ThinkingTokenBudget == -1 ? null : ThinkingTokenBudget,
            StopTokenIds = [.. StopTokenIds.Distinct()],
            BadWords = [.. BadWords.Distinct()],
            LogitBias = LogitBias?.ToDictionary(e => e.Key, e => ClampBias(e.Value)),
        };
    }

    // Not Math.Clamp: NaN becomes the lower bound, as in vLLM.
    static float ClampBias(float bias) => bias > -MaxLogitBias ? Math.Min(bias, MaxLogitBias) : -MaxLogitBias;

    /// <summary>Joins a model's further end tokens to the stop tokens, unless the request ignores end tokens. The
    /// primary one is left out: it ends a request without being reported as its stop reason.</summary>
    public SamplingParams WithEndTokens(IEnumerable<int> endTokenIds, int? primaryEndTokenId) => IgnoreEos
        ? this
        : this with { StopTokenIds = [.. StopTokenIds.Union(endTokenIds.Where(id => id != primaryEndTokenId))] };

    /// <summary>All rules broken that hold for every model, in vLLM's order (which reports the first).</summary>
    public IReadOnlyList<ParameterError> Validate() => [.. SamplingParamsRules.Check(this)];

    /// <summary>All rules broken that depend on the model and the engine, in vLLM's order.</summary>
    /// <param name="vocabSize">Token ids are below it.</param>
    /// <param name="maxLogprobs">Most log-probabilities per token; -1 = the vocabulary.</param>
    /// <param name="isSpeculative">The engine decodes speculatively.</param>
    public IReadOnlyList<ParameterError> Validate(int vocabSize, int maxLogprobs, bool isSpeculative = false) =>
        [.. SamplingParamsRules.Check(this, vocabSize, maxLogprobs < 0 ? vocabSize : maxLogprobs, isSpeculative)];
}
