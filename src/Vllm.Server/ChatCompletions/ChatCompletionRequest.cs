using System.Text.Json;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.ChatCompletions;

/// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
sealed record ChatCompletionRequest
{
    public required GenerationFields Generation { get; init; }
    public required Conversation Conversation { get; init; }

    /// <summary>Null = as many as fit.</summary>
    public required Int128? MaxTokens { get; init; }

    public required bool Logprobs { get; init; }
    public required int TopLogprobs { get; init; }
    public required bool AddSpecialTokens { get; init; }
    public required bool ReturnPromptText { get; init; }

    /// <exception cref="RequestException">The body is not a valid request.</exception>
    public static ChatCompletionRequest Parse(JsonElement body, RequestRules rules)
    {
        var fields = new RequestFields(body);
        EarlyChecks.StreamOptions(fields);
        CheckLogprobs(fields);
        EarlyChecks.TokenIdLogprobs(fields, "set to true");
        EarlyChecks.ThinkingTokenBudget(fields);
        ToolFields.Check(fields);
        Conversation.CheckGenerationPrompt(fields);
        EarlyChecks.CacheSalt(fields);
        rules.Schema.Require("ChatCompletionRequest", body);
        UnsupportedFields.Refuse(fields);
        return Read(fields, GenerationFields.Read(fields), Conversation.Read(fields, rules.Options));
    }

    /// <summary>The body of <c>POST /v1/chat/completions/batch</c>: one request for each of its
    /// conversations.</summary>
    /// <exception cref="RequestException">The body is not a valid request.</exception>
    public static ChatCompletionRequest[] ParseBatch(JsonElement body, RequestRules rules)
    {
        var fields = new RequestFields(body);
        CheckLogprobs(fields);
        EarlyChecks.TokenIdLogprobs(fields, "set to true");
        Conversation.CheckGenerationPrompt(fields);
        EarlyChecks.CacheSalt(fields);
        rules.Schema.Require("BatchChatCompletionRequest", body);
        RefuseInBatch(fields);
        UnsupportedFields.Refuse(fields);
        // The model of this route has no stream field.
        GenerationFields generation = GenerationFields.Read(fields) with { Stream = false };
        return [.. body.GetProperty("messages").EnumerateArray().Select(messages =>
            Read(fields, generation, Conversation.Read(fields, messages, rules.Options)))];
    }

    public SamplingParams ToSamplingParams(SamplingDefaults defaults, Int128 maxTokens) => Generation.ToSamplingParams(
        defaults, maxTokens, Logprobs ? TopLogprobs : null,
        // An echoed prompt comes with log-probabilities like the answer's.
        Generation.PromptLogprobs ?? (Generation.Echo ? TopLogprobs : null));

    static void RefuseInBatch(RequestFields fields)
    {
        if (fields.Bool("use_beam_search"))
        {
            throw RequestException.Field("Batch chat completions do not support beam search. Please set "
                + "`use_beam_search` to False.", "use_beam_search");
        }
        if (fields.Int("n") is > 1 and var n)
        {
            throw RequestException.Value(
                "Batch chat completions do not support `n > 1`. Please set `n` to 1.", "n", $"{n}");
        }
    }

    static ChatCompletionRequest Read(RequestFields fields, GenerationFields generation, Conversation conversation) =>
        new()
        {
            Generation = generation,
            Conversation = conversation,
            MaxTokens = fields.Integer("max_completion_tokens") ?? fields.Integer("max_tokens"),
            Logprobs = fields.Bool("logprobs"),
            TopLogprobs = fields.Int("top_logprobs") ?? 0,
            AddSpecialTokens = fields.Bool("add_special_tokens"),
            ReturnPromptText = fields.Bool("return_prompt_text"),
        };

    static void CheckLogprobs(RequestFields fields)
    {
        EarlyChecks.PromptLogprobs(fields);
        if (EarlyChecks.Number(fields, "top_logprobs") is not { } topLogprobs) return;
        EarlyChecks.AtLeastMinusOne(topLogprobs, "top_logprobs");
        if (topLogprobs != 0 && !fields.Bool("logprobs"))
        {
            throw RequestException.Field(
                "when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs");
        }
    }
}

/// <summary>What vLLM says about <c>tools</c> and <c>tool_choice</c> that contradict each other; calling tools is not
/// there yet.</summary>
static class ToolFields
{
    public static void Check(RequestFields fields)
    {
        bool hasTools = fields.TryGet("tools", out JsonElement tools);
        if (hasTools && tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() == 0)
        {
            throw RequestException.Field("`tools` must not be an empty array. Either provide at least one "
                + "tool or omit the field entirely.", "tools");
        }
        if (hasTools || !fields.TryGet("tool_choice", out JsonElement choice)) return;
        if (choice.ValueKind == JsonValueKind.String && choice.ValueEquals("none")) return;
        throw RequestException.Field("When using `tool_choice`, `tools` must be set.", "tool_choice");
    }
}
