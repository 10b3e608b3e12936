using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Metrics;
using Vllm.Server.Protocol;

namespace Vllm.Server.Completions;

/// <summary>The answer to a completion request, whole or as a stream. Choice <c>prompt · n + sample</c> belongs to a
/// prompt's sample.</summary>
sealed class CompletionAnswer(
    Generator generator, CompletionRequest request, EncodedPrompt[] prompts, string id)
{
    readonly long _created = Generator.UnixTime;
    readonly bool _asIds = request.Generation.ReturnTokensAsTokenIds ?? generator.Options.ReturnTokensAsTokenIds;

    GenerationFields Fields => request.Generation;

    public async Task Whole(HttpContext context, IAsyncEnumerable<(int Index, RequestOutput Output)> outputs)
    {
        var results = new RequestOutput[prompts.Length];
        await foreach ((int index, RequestOutput output) in outputs) results[index] = output;
        LoadMetricsHeader.Add(context, generator.Engine.Metrics);
        await JsonText.Respond(context, (this, results), static (json, x) => x.Item1.WriteWhole(json, x.results));
    }

    void WriteWhole(Utf8JsonWriter json, RequestOutput[] results)
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("choices");
        for (int i = 0; i < results.Length; i++)
            foreach (CompletionOutput output in results[i].Outputs.OrderBy(o =>
                o.Index)) WriteChoice(json, i, results[i], output);
        json.WriteEndArray();
        json.WriteNull("service_tier");
        json.WriteString("system_fingerprint", generator.SystemFingerprint);
        var usage = new Usage(
            prompts.Sum(p => p.TokenIds.Count),
            results.Sum(r => r.Outputs.Sum(o => o.TokenIds.Count)),
            generator.CachedTokens(results[0].NumCachedTokens));
        usage.WriteWhole(json, isChat: false);
        json.WriteNull("kv_transfer_params");
        json.WriteNull("ec_transfer_params");
        MetricsJson.WriteWhole(json, results is [var only] ? generator.MetricsOf(only.Outputs) : null);
        json.WriteEndObject();
    }

    void WriteChoice(Utf8JsonWriter json, int promptIndex, RequestOutput result, CompletionOutput output)
    {
        json.WriteStartObject();
        json.WriteNumber("index", promptIndex * Fields.N + output.Index);
        json.WriteString("text", Text(promptIndex, output, Fields.Echo));
        json.WritePropertyName("logprobs");
        var logprobs = new LogprobsWriter(generator.TokenText, _asIds, Fields.UseBeamSearch);
        WriteLogprobs(json, logprobs, promptIndex, result, output, Fields.Echo);
        json.WriteString("finish_reason", WireNames.Of(output.FinishReason));
        WireNames.WriteStopReason(json, output);
        WireNames.WriteTokenIds(json, "token_ids", Fields.ReturnTokenIds ? output.TokenIds : null);
        json.WritePropertyName("prompt_logprobs");
        LogprobsWriter.WritePrompt(json, generator.TokenText, prompts[promptIndex].TokenIds, result.PromptLogprobs);
        WireNames.WriteTokenIds(json, "prompt_token_ids", Fields.ReturnTokenIds ? prompts[promptIndex].TokenIds : null);
        json.WriteNull("routed_experts");
        json.WriteEndObject();
    }

    public async Task Stream(HttpContext context, IAsyncEnumerable<(int Index, RequestOutput Output)> outputs)
    {
        await using var events = new ServerSentEvents(context);
        await EndpointBoundary.Stream(events, async () =>
        {
            var choices = new StreamedChoice[prompts.Length * Fields.N];
            int? numCachedTokens = null;
            IReadOnlyList<CompletionOutput> last = [];
            TimeSpan? keepAlive = generator.Options.SseKeepAliveInterval;
            await foreach ((int index, RequestOutput result) in events.KeepAlive(outputs, keepAlive))
            {
                numCachedTokens ??= result.NumCachedTokens;
                last = result.Outputs;
                foreach (CompletionOutput output in result.Outputs)
                {
                    ref StreamedChoice choice = ref choices[index * Fields.N + output.Index];
                    choice.Logprobs ??= new LogprobsWriter(generator.TokenText, _asIds);
                    // Chunks of a long prompt bring outputs without anything new.
                    bool isFirst = choice.NumTokens == 0;
                    if (isFirst && output.TokenIds.Count == 0 && output.FinishReason is null) continue;
                    choice.NumTokens += output.TokenIds.Count;
                    WriteChunk(events.Begin(), index, result, output, choice, isFirst);
                    await events.Send();
                }
            }
            if (!generator.IncludesUsage(Fields)) return;
            WriteUsageChunk(events.Begin(), choices.Sum(c => c.NumTokens), numCachedTokens ?? 0, last);
            await events.Send();
        });
    }

    void WriteChunk(
        Utf8JsonWriter json, int promptIndex, RequestOutput result, CompletionOutput output, StreamedChoice choice,
        bool isFirst)
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", promptIndex * Fields.N + output.Index);
        bool echoes = Fields.Echo && isFirst;
        json.WriteString("text", Text(promptIndex, output, echoes));
        json.WritePropertyName("logprobs");
        WriteLogprobs(json, choice.Logprobs, promptIndex, result, output, echoes);
        json.WriteString("finish_reason", WireNames.Of(output.FinishReason));
        WireNames.WriteStopReason(json, output);
        bool showsPrompt = isFirst && (Fields.Echo || Fields.ReturnTokenIds);
        WireNames.WriteTokenIds(json, "prompt_token_ids", showsPrompt ? prompts[promptIndex].TokenIds : null);
        WireNames.WriteTokenIds(json, "token_ids", Fields.ReturnTokenIds ? output.TokenIds : null);
        json.WriteEndObject();
        json.WriteEndArray();
        if (generator.UsageIsContinuous(Fields))
            new Usage(prompts[promptIndex].TokenIds.Count, choice.NumTokens).WriteContinuous(json, isChat: false);
        if (output.FinishReason is not null && !generator.IncludesUsage(Fields)) generator.WriteFingerprint(json);
        json.WriteEndObject();
    }

    void WriteUsageChunk(
        Utf8JsonWriter json, int numCompletionTokens, int numCachedTokens, IReadOnlyList<CompletionOutput> last)
    {
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        new Usage(prompts.Sum(p => p.TokenIds.Count), numCompletionTokens, generator.CachedTokens(numCachedTokens))
            .WriteFinal(json, isChat: false);
        generator.WriteFingerprint(json);
        if (prompts.Length == 1) MetricsJson.WriteFinal(json, generator.MetricsOf(last));
        json.WriteEndObject();
    }

    void WriteHead(Utf8JsonWriter json)
    {
        json.WriteString("id", id);
        json.WriteString("object", "text_completion");
        json.WriteNumber("created", _created);
        json.WriteString("model", generator.Models.Name);
    }

    /// <summary>The text with the prompt before it when it is echoed. A client that gets the prompt's ids does not get
    /// its text.</summary>
    string Text(int promptIndex, CompletionOutput output, bool echoes)
    {
        if (!echoes) return output.Text;
        string prompt = Fields.ReturnTokenIds
            ? ""
            : prompts[promptIndex].Text ?? generator.Tokenizer.Decode([.. prompts[promptIndex].TokenIds]);
        return request.EchoesOnly ? prompt : prompt + output.Text;
    }

    void WriteLogprobs(
        Utf8JsonWriter json, LogprobsWriter writer, int promptIndex, RequestOutput result, CompletionOutput output,
        bool echoes)
    {
        if (request.Logprobs is not { } numTop || output.Logprobs is null)
        {
            json.WriteNullValue();
            return;
        }
        IReadOnlyList<int> promptTokenIds = prompts[promptIndex].TokenIds;
        (IReadOnlyList<int> tokenIds, IReadOnlyList<TokenLogprobs?> logprobs) = (echoes, request.EchoesOnly) switch
        {
            (false, _) => (output.TokenIds, output.Logprobs),
            (true, true) => (promptTokenIds, result.PromptLogprobs!),
            (true, false) => ([.. promptTokenIds, .. output.TokenIds], [.. result.PromptLogprobs!, .. output.Logprobs]),
        };
        writer.WriteCompletion(
            json, tokenIds, logprobs, numTop, echoes ? promptTokenIds.Count : 0,
            showsAll: Fields.LogprobTokenIds is not null);
    }

    /// <summary>What a stream remembers of a choice.</summary>
    struct StreamedChoice
    {
        public int NumTokens;
        public LogprobsWriter Logprobs;
    }
}
