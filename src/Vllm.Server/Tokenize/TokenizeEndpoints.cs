using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Tokenize;

/// <summary><c>POST /tokenize</c>, for a text or a conversation, and <c>POST /detokenize</c>.</summary>
sealed class TokenizeEndpoints(Generator generator, ChatPrompts chatPrompts)
{
    public async Task Tokenize(HttpContext context)
    {
        JsonElement body = await JsonBody.Read(context.Request);
        bool isText = RequireTextOrChat(body);
        var fields = new RequestFields(body);
        generator.Models.Require(fields.String("model"));
        string text = isText ? fields.String("prompt")! : RenderChat(fields);
        int[] ids = generator.Tokenizer.Encode(text, fields.Bool("add_special_tokens", isText));
        await JsonText.Respond(context, (ids, this, fields.Bool("return_token_strs")), static (json, x) =>
            x.Item2.WriteTokens(json, x.ids, x.Item3));
    }

    /// <summary>The body may have either form; when it has none, the faults of both are reported.</summary>
    bool RequireTextOrChat(JsonElement body)
    {
        var textErrors = new ValidationErrors();
        generator.Rules.Schema.Check("TokenizeCompletionRequest", body, "body", textErrors);
        if (textErrors.Count == 0) return true;
        var chatErrors = new ValidationErrors();
        generator.Rules.Schema.Check("TokenizeChatRequest", body, "body", chatErrors);
        if (chatErrors.Count == 0) return false;
        textErrors.AddAll(chatErrors);
        throw new RequestException(textErrors.ToApiError());
    }

    string RenderChat(RequestFields fields)
    {
        Conversation.CheckGenerationPrompt(fields);
        UnsupportedFields.RefuseMediaArguments(fields);
        if (fields.TryGet("tools", out JsonElement tools) && tools.GetArrayLength() > 0)
            throw RequestException.NotSupportedYet("tools");
        return chatPrompts.Render(Conversation.Read(fields, generator.Options));
    }

    void WriteTokens(Utf8JsonWriter json, int[] ids, bool withStrings)
    {
        json.WriteStartObject();
        json.WriteNumber("count", ids.Length);
        json.WriteNumber("max_model_len", generator.Engine.Config.MaxModelLen);
        WireNames.WriteTokenIds(json, "tokens", ids);
        if (withStrings)
        {
            json.WriteStartArray("token_strs");
            foreach (int id in ids) json.WriteStringValue(generator.Tokenizer.IdToToken(id));
            json.WriteEndArray();
        }
        else
        {
            json.WriteNull("token_strs");
        }
        json.WriteEndObject();
    }

    public async Task Detokenize(HttpContext context)
    {
        JsonElement body = await JsonBody.Read(context.Request);
        generator.Rules.Schema.Require("DetokenizeRequest", body);
        var fields = new RequestFields(body);
        generator.Models.Require(fields.String("model"));
        foreach (JsonElement token in body.GetProperty("tokens").EnumerateArray())
        {
            if (LaxValue.TryInteger(token, out Int128 id) is null && id > uint.MaxValue)
                throw RequestException.BadRequest("number too large to fit in target type");
        }
        string text = generator.Tokenizer.Decode([.. fields.IntList("tokens")!]);
        await JsonText.Respond(context, text, static (json, text) =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", text);
            json.WriteEndObject();
        });
    }
}
