using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.ChatCompletions;

/// <summary>The answer to a chat request in one body.</summary>
sealed class ChatAnswer(Generator generator, ChatCompletionRequest request, string id, ChatPrompt prompt)
{
    readonly long _created = Generator.UnixTime;

    GenerationFields Fields => request.Generation;

    public int NumPromptTokens => prompt.TokenIds.Count;

    public bool AsIds => Fields.ReturnTokensAsTokenIds ?? generator.Options.ReturnTokensAsTokenIds;

    /// <summary>Alternatives shown per token: tokens that the request names are all shown.</summary>
    public int NumTopLogprobs => Fields.LogprobTokenIds is null ? request.TopLogprobs : -1;

    /// <summary>For one choice.</summary>
    public LogprobsWriter NewLogprobsWriter() => new(generator.TokenText, AsIds, Fields.UseBeamSearch);

    /// <summary>Role of the generated messages; continuing a message keeps that message's role.</summary>
    public string Role => request.Conversation.AddGenerationPrompt
        ? generator.Options.ResponseRole
        : request.Conversation.LastRole;

    /// <summary>The text that goes before the answer's when the request asks for an echo: a message is
    /// continued.</summary>
    public string EchoedText =>
        Fields.Echo && request.Conversation.LastRole == Role ? request.Conversation.LastText : "";

    public async Task Send(HttpContext context, IAsyncEnumerable<RequestOutput> outputs)
    {
        RequestOutput? result = null;
        await foreach (RequestOutput output in outputs) result = output;
        LoadMetricsHeader.Add(context, generator.Engine.Metrics);
        await JsonText.Respond(context, (this, result!), static (json, x) => x.Item1.Write(json, x.Item2));
    }

    void Write(Utf8JsonWriter json, RequestOutput result)
    {
        json.WriteStartObject();
        WriteHead(json, "chat.completion");
        json.WriteStartArray("choices");
        foreach (CompletionOutput output in result.Outputs.OrderBy(o => o.Index)) WriteChoice(json, output);
        json.WriteEndArray();
        json.WriteNull("service_tier");
        json.WriteString("system_fingerprint", generator.SystemFingerprint);
        new Usage(
            NumPromptTokens,
            result.Outputs.Sum(o => o.TokenIds.Count),
            generator.CachedTokens(result.NumCachedTokens),
            generator.CreatedCacheTokens(NumPromptTokens, result.NumCachedTokens))
            .WriteWhole(json, isChat: true);
        json.WritePropertyName("prompt_logprobs");
        LogprobsWriter.WritePrompt(json, generator.TokenText, prompt.TokenIds, result.PromptLogprobs);
        WritePrompt(json);
        json.WriteNull("kv_transfer_params");
        json.WriteNull("ec_transfer_params");
        MetricsJson.WriteWhole(json, generator.MetricsOf(result.Outputs));
        json.WriteEndObject();
    }

    public void WriteChoice(Utf8JsonWriter json, CompletionOutput output)
    {
        json.WriteStartObject();
        json.WriteNumber("index", output.Index);
        json.WriteStartObject("message");
        json.WriteString("role", Role);
        json.WriteString("content", EchoedText + output.Text);
        json.WriteNull("refusal");
        json.WriteNull("annotations");
        json.WriteNull("audio");
        json.WriteNull("function_call");
        json.WriteNull("reasoning");
        json.WriteEndObject();
        json.WritePropertyName("logprobs");
        if (!request.Logprobs || output.Logprobs is null) json.WriteNullValue();
        else NewLogprobsWriter().WriteChat(json, output.Logprobs, NumTopLogprobs);
        json.WriteString("finish_reason", WireNames.Of(output.FinishReason));
        WireNames.WriteStopReason(json, output);
        WireNames.WriteTokenIds(json, "token_ids", Fields.ReturnTokenIds ? output.TokenIds : null);
        json.WriteNull("routed_experts");
        json.WriteEndObject();
    }

    public void WriteHead(Utf8JsonWriter json, string kind)
    {
        json.WriteString("id", id);
        json.WriteString("object", kind);
        json.WriteNumber("created", _created);
        json.WriteString("model", generator.Models.Name);
    }

    /// <summary>The prompt as ids and as text, each when asked for.</summary>
    public void WritePrompt(Utf8JsonWriter json)
    {
        WireNames.WriteTokenIds(json, "prompt_token_ids", Fields.ReturnTokenIds ? prompt.TokenIds : null);
        json.WriteString("prompt_text", request.ReturnPromptText ? prompt.Text : null);
    }
}
