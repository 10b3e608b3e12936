using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;

namespace Vllm.Server.ChatCompletions;

/// <summary>The answer to a chat request as events: the role of each choice, then what is new with each output, then
/// the usage when asked for.</summary>
sealed class ChatStream(Generator generator, ChatCompletionRequest request, ChatAnswer answer)
{
    readonly Choice[] _choices =
        [.. Enumerable.Range(0, request.Generation.N).Select(_ =>
            new Choice(answer.NewLogprobsWriter()))];

    GenerationFields Fields => request.Generation;

    public async Task Send(HttpContext context, IAsyncEnumerable<RequestOutput> outputs)
    {
        await using var events = new ServerSentEvents(context);
        await EndpointBoundary.Stream(events, async () =>
        {
            int? numCachedTokens = null;
            IReadOnlyList<CompletionOutput> last = [];
            await foreach (RequestOutput output in events.KeepAlive(outputs, generator.Options.SseKeepAliveInterval))
            {
                if (numCachedTokens is null) await SendBeginning(events);
                numCachedTokens ??= output.NumCachedTokens;
                last = output.Outputs;
                foreach (CompletionOutput delta in output.Outputs) await SendDelta(events, delta);
            }
            if (!generator.IncludesUsage(Fields)) return;
            WriteUsage(events.Begin(), numCachedTokens ?? 0, last);
            await events.Send();
        });
    }

    async Task SendBeginning(ServerSentEvents events)
    {
        for (int i = 0; i < _choices.Length; i++)
        {
            WriteBeginning(events.Begin(), i, answer.Role, "", withPrompt: true);
            await events.Send();
        }
        if (answer.EchoedText is "") return;
        for (int i = 0; i < _choices.Length; i++)
        {
            WriteBeginning(events.Begin(), i, null, answer.EchoedText, withPrompt: false);
            await events.Send();
        }
    }

    void WriteBeginning(Utf8JsonWriter json, int index, string? role, string content, bool withPrompt)
    {
        WriteStart(json, index);
        json.WriteStartObject("delta");
        if (role is not null) json.WriteString("role", role);
        json.WriteString("content", content);
        json.WriteEndObject();
        json.WriteNull("logprobs");
        json.WriteNull("finish_reason");
        WriteEnd(json, index);
        if (withPrompt) answer.WritePrompt(json);
        json.WriteEndObject();
    }

    async Task SendDelta(ServerSentEvents events, CompletionOutput delta)
    {
        Choice choice = _choices[delta.Index];
        // Chunks of a long prompt bring outputs without anything new.
        if (choice.NumTokens == 0 && delta.TokenIds.Count == 0 && delta.FinishReason is null) return;
        choice.NumTokens += delta.TokenIds.Count;
        WriteDelta(events.Begin(), delta, choice);
        await events.Send();
    }

    void WriteDelta(Utf8JsonWriter json, CompletionOutput delta, Choice choice)
    {
        WriteStart(json, delta.Index);
        json.WriteStartObject("delta");
        json.WriteString("content", delta.Text);
        json.WriteEndObject();
        json.WritePropertyName("logprobs");
        if (!request.Logprobs || delta.Logprobs is null) json.WriteNullValue();
        else choice.Logprobs.WriteChat(json, delta.Logprobs, answer.NumTopLogprobs);
        json.WriteString("finish_reason", WireNames.Of(delta.FinishReason));
        if (delta.FinishReason is not null) WireNames.WriteStopReason(json, delta);
        WireNames.WriteTokenIds(json, "token_ids", Fields.ReturnTokenIds ? delta.TokenIds : null);
        WriteEnd(json, delta.Index);
        if (delta.FinishReason is not null && !generator.IncludesUsage(Fields)) generator.WriteFingerprint(json);
        json.WriteEndObject();
    }

    void WriteStart(Utf8JsonWriter json, int index)
    {
        json.WriteStartObject();
        answer.WriteHead(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", index);
    }

    void WriteEnd(Utf8JsonWriter json, int index)
    {
        json.WriteEndObject();
        json.WriteEndArray();
        if (generator.UsageIsContinuous(Fields))
            new Usage(answer.NumPromptTokens, _choices[index].NumTokens).WriteContinuous(json, isChat: true);
    }

    void WriteUsage(Utf8JsonWriter json, int numCachedTokens, IReadOnlyList<CompletionOutput> last)
    {
        json.WriteStartObject();
        answer.WriteHead(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteEndArray();
        new Usage(
            answer.NumPromptTokens,
            _choices.Sum(c => c.NumTokens),
            generator.CachedTokens(numCachedTokens),
            generator.CreatedCacheTokens(answer.NumPromptTokens, numCachedTokens))
            .WriteFinal(json, isChat: true);
        generator.WriteFingerprint(json);
        MetricsJson.WriteFinal(json, generator.MetricsOf(last));
        json.WriteEndObject();
    }

    /// <summary>What a stream remembers of a choice.</summary>
    sealed class Choice(LogprobsWriter logprobs)
    {
        public LogprobsWriter Logprobs => logprobs;

        public int NumTokens { get; set; }
    }
}
