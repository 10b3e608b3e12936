using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Completions;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Scoring;

/// <summary><c>POST /generative_scoring</c>: how likely the first of the label tokens comes after query and item; among
/// the labels (<c>apply_softmax</c>) or among all tokens.</summary>
sealed class GenerativeScoringEndpoint(Generator generator)
{
    public async Task Handle(HttpContext context)
    {
        JsonElement body = await JsonBody.Read(context.Request);
        var fields = new RequestFields(body);
        EarlyChecks.CacheSalt(fields);
        generator.Rules.Schema.Require("GenerativeScoringRequest", body);
        generator.Models.Require(fields.String("model"));
        List<int> labels = ReadLabels(fields);
        // No other field of generating requests counts here.
        GenerationFields generation = GenerationFields.Read(new RequestFields(JsonBody.ParseText("{}"))) with
        {
            LogprobTokenIds = labels,
            Temperature = 0,
            CacheSalt = fields.String("cache_salt"),
            Priority = fields.Int("priority") ?? 0,
            RequestId = fields.String("request_id"),
        };
        string id = Generator.RequestId(context, "generative-scoring-", generation.RequestId);
        JsonElement[] items = [.. body.GetProperty("items").EnumerateArray()];
        if (items.Length == 0) throw RequestException.BadRequest("items must contain at least one item.");

        using ActiveRequests.Admission admission = await generator.Admit(id, items.Length, 1, context);
        int[][] prompts = [.. items.Select(item => Prompt(fields, item))];
        admission.CountPrompts(prompts.Sum(p => (long)p.Length));
        SamplingParams samplingParams = generation.ToSamplingParams(
            new SamplingDefaults(), maxTokens: 1, logprobs: null, promptLogprobs: null);
        int priority = Generator.Priority(context, generation);
        var results = new RequestOutput[items.Length];
        await foreach ((int index, RequestOutput output) in PromptOutputs.Merge(
            prompts.Length,
            (i, aborted) => generator.Generate(admission, prompts[i], samplingParams, generation, priority, aborted),
            context.RequestAborted))
        {
            results[index] = output;
        }

        bool amongLabels = fields.Bool("apply_softmax", true);
        double[] scores = [.. results.Select(r => Score(r.Outputs[0].Logprobs![0], labels, amongLabels))];
        await JsonText.Respond(context, (this, id, scores, prompts.Sum(p => p.Length)), static (json, x) =>
            x.Item1.Write(json, x.id, x.scores, x.Item4));
    }

    List<int> ReadLabels(RequestFields fields)
    {
        List<int> labels = fields.IntList("label_token_ids")!;
        if (labels.Count == 0) throw RequestException.BadRequest("label_token_ids must not be empty.");
        int vocabSize = generator.Engine.Config.VocabSize;
        foreach (int label in labels)
        {
            if (label >= 0 && label < vocabSize) continue;
            throw RequestException.BadRequest($"label_token_id {label} is out of vocabulary range [0, {vocabSize}). "
                + "Please provide valid token IDs.");
        }
        return labels;
    }

    /// <summary>Query and item in the order asked for; special tokens go with the query.</summary>
    int[] Prompt(RequestFields fields, JsonElement item)
    {
        int[] query = Encode(fields.Body.GetProperty("query"), fields.Bool("add_special_tokens", true));
        int[] own = Encode(item, addSpecialTokens: false);
        int[] ids = fields.Bool("item_first") ? [.. own, .. query] : [.. query, .. own];
        return [.. generator.Prompts.Check(ids, truncatePromptTokens: null, truncateRight: false)];
    }

    int[] Encode(JsonElement text, bool addSpecialTokens) => text.ValueKind == JsonValueKind.String
        ? generator.Tokenizer.Encode(JsonText.Of(text), addSpecialTokens)
        : [.. RequestFields.IntList(text)];

    /// <summary>The sampled token comes first, unless it is a label; hence by id.</summary>
    static double Score(TokenLogprobs position, List<int> labels, bool amongLabels)
    {
        double Probability(int id) => Math.Exp(position.Entries.First(e => e.TokenId == id).Logprob);
        double first = Probability(labels[0]);
        return amongLabels ? first / labels.Sum(Probability) : first;
    }

    void Write(Utf8JsonWriter json, string id, double[] scores, int numPromptTokens)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "list");
        json.WriteNumber("created", Generator.UnixTime);
        json.WriteString("model", generator.Models.Name);
        json.WriteStartArray("data");
        for (int i = 0; i < scores.Length; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("index", i);
            json.WriteString("object", "score");
            json.WriteNumber("score", scores[i]);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        new Usage(numPromptTokens, scores.Length).WriteWhole(json, isChat: false);
        json.WriteEndObject();
    }
}
