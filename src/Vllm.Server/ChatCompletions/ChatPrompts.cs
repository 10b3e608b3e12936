using System.Buffers;
using System.Text.Json;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;
using Vllm.Text.ChatTemplates;

namespace Vllm.Server.ChatCompletions;

/// <summary>Conversations to prompts, by the model's chat template or by one that the request brings.</summary>
sealed class ChatPrompts(AsyncLLM engine, ServedModels models)
{
    /// <summary>Variables that the request's own fields set; <c>chat_template_kwargs</c> does not replace them.</summary>
    static readonly string[] OwnVariables =
        ["messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"];

    /// <exception cref="RequestException">There is no template, or it refuses the conversation.</exception>
    public string Render(Conversation conversation)
    {
        if (conversation.Messages.Any(m => m.HasMedia))
            throw new RequestException(ApiError.BadRequest($"{models.Name} is not a multimodal model"));
        try
        {
            ChatTemplate template = conversation.Template is { } source ? ChatTemplate.Compile(source) : ModelTemplate();
            return template.Render(Input(conversation, template));
        }
        catch (ChatTemplateException e)
        {
            throw new RequestException(ApiError.BadRequest(e.Message));
        }
    }

    ChatTemplate ModelTemplate() => engine.ChatTemplate ?? throw new RequestException(ApiError.BadRequest(
        "The model has no chat template. Give the server one with --chat-template, or use /v1/completions."));

    ChatTemplateInput Input(Conversation conversation, ChatTemplate template) => new()
    {
        Messages = ToJson(conversation, (json, c) => WriteMessages(json, c.Messages, template)),
        Documents = conversation.Documents,
        AddGenerationPrompt = conversation.AddGenerationPrompt,
        ContinueField = conversation.ContinueFinalMessage ? "content" : null,
        BosToken = engine.Config.BosToken,
        EosToken = engine.Config.EosToken,
        Kwargs = Kwargs(conversation, template),
    };

    /// <summary>The variables that the template reads; others have no effect, as in vLLM.</summary>
    static Dictionary<string, JsonElement> Kwargs(Conversation conversation, ChatTemplate template)
    {
        var kwargs = new Dictionary<string, JsonElement>();
        if (conversation.ReasoningEffort is { } effort)
        {
            kwargs["reasoning_effort"] = ToJson(effort, static (json, effort) => json.WriteStringValue(effort));
            kwargs["enable_thinking"] = ToJson(effort, static (json, effort) => json.WriteBooleanValue(effort != "none"));
        }
        if (conversation.TemplateKwargs is { } given)
            foreach (JsonProperty property in given.EnumerateObject()) kwargs[property.Name] = property.Value;
        foreach (string name in kwargs.Keys)
            if (OwnVariables.Contains(name) || !template.Variables.Contains(name)) kwargs.Remove(name);
        return kwargs;
    }

    static void WriteMessages(Utf8JsonWriter json, IReadOnlyList<ChatMessage> messages, ChatTemplate template)
    {
        json.WriteStartArray();
        foreach (ChatMessage message in messages)
        {
            json.WriteStartObject();
            json.WriteString("role", message.Role == "developer" && !template.AcceptsDeveloperRole ? "system" : message.Role);
            WriteContent(json, message, template.ContentFormat ?? ContentFormat.String);
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
                if (property.NameEquals("function") && property.Value.ValueKind == JsonValueKind.Object) WriteFunction(json, property.Value);
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
            if (!property.NameEquals("arguments") || property.Value.ValueKind != JsonValueKind.String) property.Value.WriteTo(json);
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
