using System.Buffers;
using System.Text.Json;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;
using Vllm.Text.ChatTemplates;

namespace Vllm.Server.ChatCompletions;

/// <summary>Conversations to prompts, by the model's chat template or by one that the request brings.</summary>
sealed class ChatPrompts(AsyncLLM engine, ServerOptions options, ServedModels models)
{
    readonly JsonElement? _defaultKwargs =
        options.DefaultChatTemplateKwargs is { } text ? JsonDocument.Parse(text).RootElement : null;

    /// <summary>Variables that the request's own fields set; <c>chat_template_kwargs</c> does not replace
    /// them.</summary>
    static readonly string[] OwnVariables =
        ["messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"];

    /// <exception cref="RequestException">There is no template, or it refuses the conversation.</exception>
    public string Render(Conversation conversation)
    {
        if (conversation.Messages.Any(m => m.HasMedia))
            throw RequestException.BadRequest($"{models.Name} is not a multimodal model");
        try
        {
            ChatTemplate template =
                conversation.Template is { } source ? ChatTemplate.Compile(source) : ModelTemplate();
            return template.Render(Input(conversation, template));
        }
        catch (ChatTemplateException e)
        {
            throw RequestException.BadRequest(e.Message);
        }
    }

    ChatTemplate ModelTemplate() => engine.ChatTemplate ?? throw RequestException.BadRequest(
        "The model has no chat template. Give the server one with --chat-template, or use /v1/completions.");

    ChatTemplateInput Input(Conversation conversation, ChatTemplate template) => new()
    {
        Messages = ToJson(conversation, (json, c) => WriteMessages(json, c.Messages, template, FormatFor(template))),
        Documents = conversation.Documents,
        AddGenerationPrompt = conversation.AddGenerationPrompt,
        ContinueField = conversation.ContinueFinalMessage ? "content" : null,
        BosToken = engine.Config.BosToken,
        EosToken = engine.Config.EosToken,
        Kwargs = Kwargs(conversation, template),
    };

    /// <summary>The variables that the template reads; others have no effect, as in vLLM.</summary>
    Dictionary<string, JsonElement> Kwargs(Conversation conversation, ChatTemplate template)
    {
        var kwargs = new Dictionary<string, JsonElement>();
        if (_defaultKwargs is { } defaults)
            foreach (JsonProperty property in defaults.EnumerateObject()) kwargs[property.Name] = property.Value;
        if (conversation.ReasoningEffort is { } effort)
        {
            kwargs["reasoning_effort"] = ToJson(effort, static (json, effort) => json.WriteStringValue(effort));
            kwargs["enable_thinking"] = ToJson(effort, static (json, effort) =>
                json.WriteBooleanValue(effort != "none"));
        }
        if (conversation.TemplateKwargs is { } given)
            foreach (JsonProperty property in given.EnumerateObject()) kwargs[property.Name] = property.Value;
        foreach (string name in kwargs.Keys)
            if (OwnVariables.Contains(name) || !template.Variables.Contains(name)) kwargs.Remove(name);
        return kwargs;
    }

    /// <summary>The operator's choice, else what the template reads.</summary>
    ContentFormat FormatFor(ChatTemplate template) => options.ChatTemplateContentFormat switch
    {
        ChatTemplateContentFormat.String => ContentFormat.String,
        ChatTemplateContentFormat.Openai => ContentFormat.OpenAI,
        _ => template.ContentFormat ?? ContentFormat.String,
    };

    static void WriteMessages(
        Utf8JsonWriter json, IReadOnlyList<ChatMessage> messages, ChatTemplate template, ContentFormat format)
    {
        json.WriteStartArray();
        foreach (ChatMessage message in messages)
        {
            json.WriteStartObject();
            bool isUnknownRole = message.Role == "developer" && !template.AcceptsDeveloperRole;
            json.WriteString("role", isUnknownRole ? "system" : message.Role);
            WriteContent(json, message, format);
            if (message.Name is not null) json.WriteString("name", message.Name);
            if (message.ToolCallId is not null) json.WriteString("tool_call_id", message.ToolCallId);
            if (message.Reasoning is not null) json.WriteString("reasoning", message.Reasoning);
            if (message.ToolCalls is { } calls) WriteToolCalls(json, calls);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    static void WriteContent(Utf8JsonWriter json, ChatMessage message, ContentFormat format)
    {
        if (format == ContentFormat.String)
        {
            json.WriteString("content", string.Join('\n', message.Texts));
            return;
        }
        json.WriteStartArray("content");
        foreach (string text in message.Texts)
        {
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("text", text);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>Templates want a call's arguments as an object; the API has them as its text.</summary>
    static void WriteToolCalls(Utf8JsonWriter json, JsonElement calls)
    {
        json.WriteStartArray("tool_calls");
        foreach (JsonElement call in calls.EnumerateArray())
        {
            json.WriteStartObject();
            foreach (JsonProperty property in call.EnumerateObject())
            {
                json.WritePropertyName(property.Name);
                bool isFunction = property.NameEquals("function") && property.Value.ValueKind == JsonValueKind.Object;
                if (isFunction) WriteFunction(json, property.Value);
                else property.Value.WriteTo(json);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    static void WriteFunction(Utf8JsonWriter json, JsonElement function)
    {
        json.WriteStartObject();
        foreach (JsonProperty property in function.EnumerateObject())
        {
            json.WritePropertyName(property.Name);
            bool isText = property.NameEquals("arguments") && property.Value.ValueKind == JsonValueKind.String;
            if (!isText) property.Value.WriteTo(json);
            else JsonBody.ParseText(JsonText.Of(property.Value) is { Length: > 0 } text ? text : "{}").WriteTo(json);
        }
        json.WriteEndObject();
    }

    static JsonElement ToJson<T>(T value, Action<Utf8JsonWriter, T> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonText.WriterOptions)) write(json, value);
        return JsonDocument.Parse(buffer.WrittenMemory).RootElement;
    }
}
