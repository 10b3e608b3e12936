using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Tests.Replay;

/// <summary>Compares one answer with the recorded one, in the way that the case asks for.</summary>
static class ExchangeComparison
{
    /// <summary>The first difference, or null.</summary>
    public static string? Difference(RecordedCase recorded, RecordedExchange exchange, Answer answer)
    {
        JsonElement response = exchange.Response;
        int status = response.GetProperty("status").GetInt32();
        if (status != answer.Status) return $"status {answer.Status} instead of {status}: {Short(answer.Text)}";
        if (HeaderDifference(response, answer) is { } header) return header;
        if (response.TryGetProperty("body_omitted", out _) || exchange.Compare == "status") return null;
        if (response.TryGetProperty("text", out JsonElement text))
            return text.GetString() == answer.Text ? null : $"text: {Short(answer.Text)}";
        if (response.TryGetProperty("events", out JsonElement events)) return StreamDifference(recorded, exchange, events, answer);
        JsonElement expected = response.GetProperty("json");
        if (exchange.Compare == "error" || status >= 400) return ErrorDifference(exchange, expected, answer.Json);
        if (exchange.Compare is "structure" or "same-steps" || recorded.IsNearTie)
            return JsonComparison.StructureDifference(expected, answer.Json);
        return recorded.HasUnclearText
            ? JsonComparison.Difference(WithoutText(expected), WithoutText(answer.Json))
            : JsonComparison.Difference(expected, answer.Json);
    }

    static string? HeaderDifference(JsonElement response, Answer answer)
    {
        if (!response.TryGetProperty("headers", out JsonElement headers)) return null;
        foreach (JsonProperty header in headers.EnumerateObject())
        {
            if (!answer.Headers.TryGetValue(header.Name, out string? value)) return $"no header {header.Name}";
            string expected = header.Value.GetString()!;
            if (!expected.StartsWith('<') && expected != value) return $"header {header.Name}: {value} instead of {expected}";
        }
        return null;
    }

    static string? ErrorDifference(RecordedExchange exchange, JsonElement expected, JsonElement actual)
    {
        // The wording of schema reports and of library exceptions is not ours to repeat.
        bool wordsMatter = exchange.MessageKind is "vllm" or "framework";
        return wordsMatter
            ? JsonComparison.Difference(expected, actual)
            : JsonComparison.Difference(WithoutMessage(expected), WithoutMessage(actual));
    }

    static string? StreamDifference(RecordedCase recorded, RecordedExchange exchange, JsonElement events, Answer answer)
    {
        JsonElement expected = JoinedStream.Join([.. events.EnumerateArray().Select(e => e.GetProperty("data"))]);
        JsonElement actual = JoinedStream.Join(answer.Events);
        if (exchange.Compare is "structure" or "same-steps" || recorded.IsNearTie)
            return JsonComparison.StructureDifference(expected, actual);
        return recorded.HasUnclearText
            ? JsonComparison.Difference(WithoutText(expected), WithoutText(actual))
            : JsonComparison.Difference(expected, actual);
    }

    static JsonElement WithoutMessage(JsonElement body)
    {
        JsonNode copy = JsonNode.Parse(body.GetRawText())!;
        if (copy["error"] is JsonObject error) error.Remove("message");
        return ToElement(copy);
    }

    static JsonElement WithoutText(JsonElement body)
    {
        JsonNode copy = JsonNode.Parse(body.GetRawText())!;
        foreach (JsonNode? choice in copy["choices"] as JsonArray ?? [])
        {
            choice!.AsObject().Remove("text");
            choice.AsObject().Remove("content");
            choice.AsObject().Remove("logprobs");
            (choice["message"] as JsonObject)?.Remove("content");
        }
        return ToElement(copy);
    }

    static JsonElement ToElement(JsonNode node) => JsonDocument.Parse(node.ToJsonString()).RootElement;

    static string Short(string text) => text.Length > 160 ? text[..160] + "…" : text;
}
