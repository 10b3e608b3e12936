using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Tests.Replay;

/// <summary>Compares one answer with the recorded one, in the way that the case asks for.</summary>
static class ExchangeComparison
{
    /// <summary>What shows text, and so the bytes that the reference decodes together with the prompt's last
    /// ones.</summary>
    static readonly string[] Texts = ["text", "content", "logprobs"];

    /// <summary>The first difference, or null. Members named in <paramref name="ignored"/> do not count.</summary>
    public static string? Difference(
        RecordedCase recorded, RecordedExchange exchange, Answer answer)
    {
        JsonElement response = exchange.Response;
        int status = response.GetProperty("status").GetInt32();
        if (status != answer.Status) return $"status {answer.Status} instead of {status}: {Short(answer.Text)}";
        if (HeaderDifference(response, answer) is { } header) return header;
        if (response.TryGetProperty("body_omitted", out _) || exchange.Compare == "status") return null;
        if (response.TryGetProperty("text", out JsonElement text))
            return text.GetString() == answer.Text ? null : $"text: {Short(answer.Text)}";
        if (response.TryGetProperty("events", out JsonElement events))
        {
            JsonElement[] data = [.. events.EnumerateArray().Select(e => e.GetProperty("data"))];
            return BodyDifference(recorded, exchange, JoinedStream.Join(data), JoinedStream.Join(answer.Events));
        }
        JsonElement expected = response.GetProperty("json");
        JsonElement actual = answer.Json;
        return exchange.Compare == "error" || status >= 400
            ? ErrorDifference(exchange, expected, actual)
            : BodyDifference(recorded, exchange, expected, actual);
    }

    static string? BodyDifference(
        RecordedCase recorded, RecordedExchange exchange, JsonElement expected, JsonElement actual)
    {
        if (exchange.Compare is "structure" or "same-steps" || recorded.IsNearTie)
            return JsonComparison.StructureDifference(expected, actual);
        return recorded.HasUnclearText
            ? JsonComparison.Difference(Without(expected, Texts), Without(actual, Texts))
            : JsonComparison.Difference(expected, actual);
    }

    static string? HeaderDifference(JsonElement response, Answer answer)
    {
        if (!response.TryGetProperty("headers", out JsonElement headers)) return null;
        foreach (JsonProperty header in headers.EnumerateObject())
        {
            if (!answer.Headers.TryGetValue(header.Name, out string? value)) return $"no header {header.Name}";
            string expected = header.Value.GetString()!;
            bool fits = expected.Contains('<') || expected == value;
            if (!fits) return $"header {header.Name}: {value} instead of {expected}";
        }
        return null;
    }

    static string? ErrorDifference(RecordedExchange exchange, JsonElement expected, JsonElement actual)
    {
        // The wording of schema reports and of library exceptions is not ours to repeat.
        bool wordsMatter = exchange.MessageKind is "vllm" or "framework";
        return wordsMatter
            ? JsonComparison.Difference(expected, actual)
            : JsonComparison.Difference(Without(expected, ["message"]), Without(actual, ["message"]));
    }

    /// <summary>A copy without members of some names, at any depth.</summary>
    static JsonElement Without(JsonElement body, IReadOnlyList<string> names)
    {
        JsonNode copy = JsonNode.Parse(body.GetRawText())!;
        Remove(copy, names);
        return JsonDocument.Parse(copy.ToJsonString()).RootElement;
    }

    static void Remove(JsonNode? node, IReadOnlyList<string> names)
    {
        if (node is JsonArray array)
            foreach (JsonNode? item in array) Remove(item, names);
        if (node is not JsonObject members) return;
        foreach (string name in names) members.Remove(name);
        foreach ((_, JsonNode? value) in members) Remove(value, names);
    }

    static string Short(string text) => text.Length > 160 ? text[..160] + "…" : text;
}
