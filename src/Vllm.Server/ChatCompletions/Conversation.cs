using System.Text.Json;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.ChatCompletions;

/// <summary>The part of a chat request that becomes the prompt.</summary>
sealed record Conversation
{
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>End the prompt with the beginning of an answer.</summary>
    public required bool AddGenerationPrompt { get; init; }

    /// <summary>Leave the last message open, so that the answer continues it.</summary>
    public required bool ContinueFinalMessage { get; init; }

    public required JsonElement? Documents { get; init; }

    /// <summary>Further variables for the template.</summary>
    public required JsonElement? TemplateKwargs { get; init; }

    public required string? ReasoningEffort { get; init; }

    /// <summary>A template in place of the model's, which the server trusts.</summary>
    public required string? Template { get; init; }

    public string LastRole => Messages[^1].Role;

    public string LastText => string.Join('\n', Messages[^1].Texts);

    public static void CheckGenerationPrompt(RequestFields fields)
    {
        // Only what the body says counts: the default of add_generation_prompt gives way to the other field.
        if (fields.Bool("continue_final_message") && fields.Bool("add_generation_prompt"))
        {
            throw RequestException.BadRequest(
                "Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
        }
    }

    /// <summary>The conversation of the field <c>messages</c>.</summary>
    public static Conversation Read(RequestFields fields, ServerOptions options)
    {
        if (!fields.TryGet("messages", out JsonElement messages))
            throw RequestException.BadRequest("messages must be a list, not null.");
        return Read(fields, messages, options);
    }

    /// <summary>The conversation of a list of messages, and what the request's fields say of it.</summary>
    public static Conversation Read(RequestFields fields, JsonElement messages, ServerOptions options)
    {
        RefuseUntrusted(fields, options);
        if (messages.GetArrayLength() == 0)
        {
            throw RequestException.BadRequest(
                "Cannot apply chat template to an empty conversation. Provide at least one message.");
        }
        return new Conversation
        {
            Messages = [.. messages.EnumerateArray().Select(ChatMessage.Read)],
            AddGenerationPrompt = fields.Bool("add_generation_prompt", true) && !fields.Bool("continue_final_message"),
            ContinueFinalMessage = fields.Bool("continue_final_message"),
            Documents = fields.TryGet("documents", out JsonElement documents) ? documents : null,
            TemplateKwargs = fields.TryGet("chat_template_kwargs", out JsonElement kwargs) ? kwargs : null,
            ReasoningEffort = fields.String("reasoning_effort"),
            Template = fields.String("chat_template"),
        };
    }

    /// <summary>A template is a program, and a template in the variables would take its place.</summary>
    static void RefuseUntrusted(RequestFields fields, ServerOptions options)
    {
        if (options.TrustRequestChatTemplate) return;
        bool hasTemplate =
            fields.TryGet("chat_template", out _) || fields.TryGet("chat_template_kwargs", out JsonElement kwargs)
            && new RequestFields(kwargs).TryGet("chat_template", out _);
        if (!hasTemplate) return;
        throw RequestException.BadRequest("Chat template is passed with request, but "
            + "--trust-request-chat-template is not set. Refused request with untrusted chat template.");
    }
}

/// <summary>One message.</summary>
sealed record ChatMessage
{
    public required string Role { get; init; }

    /// <summary>The content, one text for each of its parts.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>The content has images, sound or video.</summary>
    public required bool HasMedia { get; init; }

    public required string? Name { get; init; }
    public required string? ToolCallId { get; init; }
    public required JsonElement? ToolCalls { get; init; }
    public required string? Reasoning { get; init; }

    /// <summary>Where the text of a part is, by its type.</summary>
    static readonly Dictionary<string, string> TextKeys = new()
    {
        ["text"] = "text",
        ["input_text"] = "text",
        ["output_text"] = "text",
        ["refusal"] = "refusal",
        ["thinking"] = "thinking",
    };

    /// <summary>Parts that only models for images, sound or video take.</summary>
    static readonly HashSet<string> MediaTypes =
    [
        "image_url", "image_embeds", "image_pil", "input_image", "input_audio", "audio_url", "audio_embeds",
        "video_url", "video_embeds",
    ];

    public static ChatMessage Read(JsonElement message)
    {
        var fields = new RequestFields(message);
        string?[] parts = fields.TryGet("content", out JsonElement content) ? ReadContent(content) : [];
        return new ChatMessage
        {
            Role = fields.String("role")!,
            Texts = [.. parts.OfType<string>()],
            HasMedia = parts.Contains(null),
            Name = fields.String("name"),
            ToolCallId = fields.String("tool_call_id"),
            ToolCalls = fields.TryGet("tool_calls", out JsonElement calls) ? calls : null,
            Reasoning = fields.String("reasoning") ?? fields.String("reasoning_content"),
        };
    }

    static string?[] ReadContent(JsonElement content) => content.ValueKind switch
    {
        JsonValueKind.String => [JsonText.Of(content)],
        JsonValueKind.Array => [.. content.EnumerateArray().Select(ReadPart)],
        _ => throw BadPart("Message content must be a string or a list of parts."),
    };

    /// <summary>The part's text; null when it is not text.</summary>
    static string? ReadPart(JsonElement part)
    {
        if (part.ValueKind == JsonValueKind.String) return JsonText.Of(part);
        if (part.ValueKind != JsonValueKind.Object) throw BadPart("A part of a message's content must be an object.");
        var fields = new RequestFields(part);
        // A part may leave its type to the key that it has.
        string? type = fields.String("type") ?? TextKeys.Keys.Concat(MediaTypes).FirstOrDefault(key =>
            fields.TryGet(key, out _));
        if (type is not null && MediaTypes.Contains(type)) return null;
        if (type is null || !TextKeys.TryGetValue(type, out string? key)) throw BadPart($"Unknown part type: {type}");
        return fields.TryGet(key, out JsonElement text) && text.ValueKind == JsonValueKind.String
            ? JsonText.Of(text)
            : throw BadPart($"A part of type '{type}' must have a string '{key}'.");
    }

    static RequestException BadPart(string message) => RequestException.BadRequest(message);
}
