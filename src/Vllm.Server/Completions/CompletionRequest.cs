using System.Text.Json;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Completions;

/// <summary>The body of <c>POST /v1/completions</c>.</summary>
sealed record CompletionRequest
{
    /// <summary>vLLM's <c>max_tokens</c> when the request has none.</summary>
    const int DefaultMaxTokens = 16;

    public required GenerationFields Generation { get; init; }
    public required IReadOnlyList<CompletionPrompt> Prompts { get; init; }
    public required Int128 MaxTokens { get; init; }
    public required int? Logprobs { get; init; }
    public required bool AddSpecialTokens { get; init; }

    /// <summary>Return the prompt alone. One token is computed all the same, and counted.</summary>
    public bool EchoesOnly => Generation.Echo && MaxTokens == 0;

    /// <exception cref="RequestException">The body is not a valid request.</exception>
    public static CompletionRequest Parse(JsonElement body, RequestRules rules)
    {
        var fields = new RequestFields(body);
        EarlyChecks.StreamOptions(fields);
        EarlyChecks.PromptLogprobs(fields);
        if (EarlyChecks.Number(fields, "logprobs") is { } logprobs) EarlyChecks.AtLeastMinusOne(logprobs, "logprobs");
        EarlyChecks.TokenIdLogprobs(fields, "set");
        EarlyChecks.ThinkingTokenBudget(fields);
        RequirePrompt(fields);
        EarlyChecks.CacheSalt(fields);
        rules.Schema.Require("CompletionRequest", body);
        UnsupportedFields.Refuse(fields);
        if (fields.TryGet("suffix", out _))
        {
            throw RequestException.BadRequest(
                "suffix is only supported for models with FIM completion rendering", "suffix");
        }
        return new CompletionRequest
        {
            Generation = GenerationFields.Read(fields),
            Prompts = ReadPrompts(fields, rules.Environment.MaxCompletionPrompts),
            MaxTokens = fields.Integer("max_tokens") ?? DefaultMaxTokens,
            Logprobs = fields.Int("logprobs"),
            AddSpecialTokens = fields.Bool("add_special_tokens", true),
        };
    }

    static void RequirePrompt(RequestFields fields)
    {
        bool hasPrompt = fields.TryGet("prompt", out JsonElement prompt)
            && (prompt.ValueKind != JsonValueKind.String || !prompt.ValueEquals(""));
        if (hasPrompt || fields.TryGet("prompt_embeds", out _)) return;
        throw RequestException.Field("Either prompt or prompt_embeds must be provided and non-empty.", "prompt");
    }

    static List<CompletionPrompt> ReadPrompts(RequestFields fields, int maxPrompts)
    {
        fields.TryGet("prompt", out JsonElement prompt);
        if (prompt.ValueKind == JsonValueKind.String) return [new(JsonText.Of(prompt), null)];
        if (prompt.GetArrayLength() == 0) throw RequestException.BadRequest("You must pass at least one prompt");
        // A list of token ids may hold some as strings; one of strings alone is a list of texts.
        if (prompt.EnumerateArray().Any(p => p.ValueKind is not (JsonValueKind.String or JsonValueKind.Array)))
            return [new(null, RequestFields.IntList(prompt))];
        if (prompt.GetArrayLength() > maxPrompts)
        {
            throw RequestException.BadRequest($"A request may have at most {maxPrompts} prompts, got "
                + $"{prompt.GetArrayLength()}. To increase this limit, set the VLLM_MAX_COMPLETION_PROMPTS environment "
                + "variable.", "prompt");
        }
        return [.. prompt.EnumerateArray().Select(p => p.ValueKind == JsonValueKind.String
            ? new CompletionPrompt(JsonText.Of(p), null)
            : new CompletionPrompt(null, RequestFields.IntList(p)))];
    }
}

/// <summary>One prompt: a text, or the ids of its tokens.</summary>
sealed record CompletionPrompt(string? Text, IReadOnlyList<int>? TokenIds);
