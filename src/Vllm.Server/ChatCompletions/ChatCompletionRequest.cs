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
    public static ChatCompletionRequest Parse(JsonElement body, ServerOptions options)
    {
        var fields = new RequestFields(body);
        EarlyChecks.StreamOptions(fields);
        CheckLogprobs(fields);
        EarlyChecks.TokenIdLogprobs(fields, "set to true");
        ToolFields.Check(fields);
        Conversation.CheckGenerationPrompt(fields);
        EarlyChecks.CacheSalt(fields);
        RequestSchema.Instance.Require("ChatCompletionRequest", body);
        UnsupportedFields.Refuse(fields);
        return new ChatCompletionRequest
        {
            Generation = GenerationFields.Read(fields),
            Conversation = Conversation.Read(fields, options),
            MaxTokens = fields.Integer("max_completion_tokens") ?? fields.Integer("max_tokens"),
            Logprobs = fields.Bool("logprobs"),
            TopLogprobs = fields.Int("top_logprobs") ?? 0,
            AddSpecialTokens = fields.Bool("add_special_tokens"),
            ReturnPromptText = fields.Bool("return_prompt_text"),
        };
    }

    static void CheckLogprobs(RequestFields fields)
    {
        EarlyChecks.PromptLogprobs(fields);
        if (EarlyChecks.Number(fields, "top_logprobs") is not { } topLogprobs) return;
        EarlyChecks.AtLeastMinusOne(topLogprobs, "top_logprobs");
        if (topLogprobs != 0 && !fields.Bool("logprobs"))
        {
            throw new RequestException(ApiError.Field(
                "when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs"));
        }
    }
}

/// <summary>What vLLM says about <c>tools</c> and <c>tool_choice</c> that contradict each other; calling tools is not
/// there yet.</summary>
static class ToolFields
{
    public static void Check(RequestFields fields)
    {
        if (fields.TryGet("tools", out JsonElement tools) && tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() == 0)
        {
            throw new RequestException(ApiError.Field("`tools` must not be an empty array. Either provide at least one "
                + "tool or omit the field entirely.", "tools"));
        }
        if (fields.TryGet("tools", out _) || !fields.TryGet("tool_choice", out JsonElement choice)) return;
        if (choice.ValueKind == JsonValueKind.String && choice.ValueEquals("none")) return;
        throw new RequestException(ApiError.Field("When using `tool_choice`, `tools` must be set.", "tool_choice"));
    }
}
