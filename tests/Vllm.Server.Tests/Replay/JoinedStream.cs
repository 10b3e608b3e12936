using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Tests.Replay;

/// <summary>A stream put together, because how an answer is cut into chunks is not comparable: texts, ids and
/// log-probabilities joined per choice, the first and the last chunk without what depends on the cuts.</summary>
static class JoinedStream
{
    /// <summary>Members that depend on where chunks end.</summary>
    static readonly string[] Cut = ["text", "delta", "logprobs", "token_ids", "finish_reason", "stop_reason"];

    public static JsonElement Join(IReadOnlyList<JsonElement> events)
    {
        var choices = new SortedDictionary<int, JsonObject>();
        JsonObject joined = new() { ["done"] = events[^1].ValueKind == JsonValueKind.String };
        List<JsonElement> chunks = [.. events.Where(e => e.ValueKind == JsonValueKind.Object)];
        foreach (JsonElement chunk in chunks)
        {
            if (chunk.TryGetProperty("error", out _))
            {
                joined["error"] = JsonNode.Parse(chunk.GetRawText());
                continue;
            }
            if (chunk.TryGetProperty("usage", out JsonElement usage)) joined["usage"] = JsonNode.Parse(usage.GetRawText());
            foreach (JsonElement choice in chunk.GetProperty("choices").EnumerateArray())
            {
                int index = choice.GetProperty("index").GetInt32();
                if (!choices.TryGetValue(index, out JsonObject? own)) choices[index] = own = [];
                Add(own, choice);
            }
        }
        joined["choices"] = new JsonArray([.. choices.Values]);
        if (chunks.Count > 0)
        {
            joined["first"] = First(chunks[0]);
            joined["last"] = Last(chunks[^1]);
            joined["ids"] = chunks.Where(c => c.TryGetProperty("id", out _)).Select(c => c.GetProperty("id").GetString()).Distinct().Count();
        }
        return JsonDocument.Parse(joined.ToJsonString()).RootElement;
    }

    static void Add(JsonObject joined, JsonElement choice)
    {
        if (choice.TryGetProperty("delta", out JsonElement delta))
        {
            foreach (JsonProperty property in delta.EnumerateObject())
            {
                if (property.Name == "role") joined["role"] = property.Value.GetString();
                else Append(joined, property.Name, property.Value);
            }
        }
        foreach (string name in new[] { "text", "token_ids", "prompt_token_ids", "logprobs" })
            if (choice.TryGetProperty(name, out JsonElement value)) Append(joined, name, value);
        foreach (string name in new[] { "finish_reason", "stop_reason" })
            if (choice.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null) joined[name] = JsonNode.Parse(value.GetRawText());
    }

    static void Append(JsonObject joined, string name, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                joined[name] = (string?)joined[name] + value.GetString();
                break;
            case JsonValueKind.Array:
                if (joined[name] is not JsonArray list) joined[name] = list = [];
                foreach (JsonElement item in value.EnumerateArray()) list.Add(JsonNode.Parse(item.GetRawText()));
                break;
            case JsonValueKind.Object:
                if (joined[name] is not JsonObject own) joined[name] = own = [];
                foreach (JsonProperty property in value.EnumerateObject()) Append(own, property.Name, property.Value);
                break;
        }
    }

    /// <summary>Which choice comes first depends on the scheduler, and whether the first chunk is also the last one on the
    /// cuts.</summary>
    static JsonNode First(JsonElement chunk)
    {
        JsonNode first = WithoutCuts(chunk);
        first.AsObject().Remove("system_fingerprint");
        foreach (JsonNode? choice in first["choices"] as JsonArray ?? []) choice!.AsObject().Remove("index");
        return first;
    }

    /// <summary>The prompt's ids come with the first chunk, which may be the last one.</summary>
    static JsonNode Last(JsonElement chunk)
    {
        JsonNode last = WithoutCuts(chunk);
        foreach (JsonNode? choice in last["choices"] as JsonArray ?? [])
        {
            choice!.AsObject().Remove("prompt_token_ids");
            choice.AsObject().Remove("index");
        }
        return last;
    }

    static JsonNode WithoutCuts(JsonElement chunk)
    {
        JsonObject copy = JsonNode.Parse(chunk.GetRawText())!.AsObject();
        foreach (JsonNode? choice in copy["choices"] as JsonArray ?? [])
            foreach (string name in Cut) choice!.AsObject().Remove(name);
        if (copy["choices"] is JsonArray { Count: > 0 } && copy["usage"] is JsonObject usage)
        {
            usage.Remove("completion_tokens");
            usage.Remove("total_tokens");
        }
        return copy;
    }
}
