using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Completions;
using Vllm.Server.Generation;
using Vllm.Server.Metrics;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.ChatCompletions;

/// <summary><c>POST /v1/chat/completions/batch</c>: several conversations at the same time, one answer each, in one
/// body.</summary>
sealed class BatchChatEndpoint(Generator generator, ChatPrompts chatPrompts)
{
    public async Task Handle(HttpContext context)
    {
        JsonElement body = await JsonBody.Read(context.Request);
        ChatCompletionRequest[] requests = ChatCompletionRequest.ParseBatch(body, generator.Rules);
        GenerationFields fields = requests[0].Generation;
        generator.Models.Require(fields.Model);
        string id = Generator.RequestId(context, "chatcmpl-", fields.RequestId);
        using ActiveRequests.Admission admission = await generator.Admit(id, requests.Length, 1, context);

        ChatPrompt[] prompts = [.. requests.Select(r => ChatPrompt.Make(generator, chatPrompts, r))];
        admission.CountPrompts(prompts.Sum(p => (long)p.TokenIds.Count));
        SamplingDefaults defaults = generator.Engine.Config.SamplingDefaults;
        SamplingParams[] samplingParams = [.. requests.Zip(prompts, (request, prompt) =>
            request.ToSamplingParams(defaults, generator.MaxTokens(request.MaxTokens, prompt.TokenIds.Count)))];
        int priority = Generator.Priority(context, fields);
        var results = new RequestOutput[prompts.Length];
        await foreach ((int index, RequestOutput output) in PromptOutputs.Merge(
            prompts.Length,
            (i, aborted) => generator.Generate(
                admission, prompts[i].TokenIds, samplingParams[i], fields, priority, aborted),
            context.RequestAborted))
        {
            results[index] = output;
        }

        ChatAnswer[] answers = [.. requests.Select((r, i) => new ChatAnswer(generator, r, id, prompts[i]))];
        LoadMetricsHeader.Add(context, generator.Engine.Metrics);
        await JsonText.Respond(context, (this, answers, results), static (json, x) =>
            x.Item1.Write(json, x.answers, x.results));
    }

    void Write(Utf8JsonWriter json, ChatAnswer[] answers, RequestOutput[] results)
    {
        json.WriteStartObject();
        answers[0].WriteHead(json, "chat.completion");
        json.WriteStartArray("choices");
        for (int i = 0; i < answers.Length; i++) answers[i].WriteChoice(json, results[i].Outputs[0] with { Index = i });
        json.WriteEndArray();
        json.WriteNull("service_tier");
        json.WriteString("system_fingerprint", generator.SystemFingerprint);
        new Usage(
            answers.Sum(a => a.NumPromptTokens),
            results.Sum(r => r.Outputs[0].TokenIds.Count),
            generator.CachedTokens(results.Sum(r => r.NumCachedTokens)),
            answers.Zip(results).Sum(x =>
                generator.CreatedCacheTokens(x.First.NumPromptTokens, x.Second.NumCachedTokens)))
            .WriteWhole(json, isChat: true);
        json.WriteNull("prompt_logprobs");
        json.WriteNull("prompt_token_ids");
        json.WriteNull("prompt_text");
        json.WriteNull("kv_transfer_params");
        json.WriteNull("ec_transfer_params");
        json.WriteNull("metrics");
        json.WriteEndObject();
    }
}
