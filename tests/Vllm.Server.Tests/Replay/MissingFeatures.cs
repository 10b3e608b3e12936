using System.Text.Json;

namespace Vllm.Tests.Replay;

/// <summary>Which recorded requests use a feature that is not there yet, by their path and fields.</summary>
static class MissingFeatures
{
    /// <summary>Beginnings of paths without an endpoint.</summary>
    static readonly string[] Paths =
    [
        "/v1/responses", "/v1/messages", "/docs", "/openapi.json",
    ];

    /// <summary>Fields that ask for a feature whatever their value.</summary>
    static readonly string[] Fields =
    [
        "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
    ];

    /// <summary>The feature, or null when the request uses none.</summary>
    public static string? Of(RecordedExchange exchange)
    {
        string path = exchange.Path.Split('?')[0];
        if (Paths.FirstOrDefault(p => path.StartsWith(p, StringComparison.Ordinal)) is { } missing) return missing;
        if (exchange.Body is not { ValueKind: JsonValueKind.Object } body) return null;
        // The reference takes a field for this that its request does not have, and then shows the answer's last token
        // only.
        if (path == "/v1/chat/completions/batch" && Text(body, "stream") == "True") return "stream of a batch";
        if (Fields.FirstOrDefault(f => Has(body, f)) is { } field) return field;
        if (Has(body, "tools")) return "tools";
        return Has(body, "response_format") && !IsText(body.GetProperty("response_format")) ? "response_format" : null;
    }

    static bool Has(JsonElement body, string field) =>
        body.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    static string Text(JsonElement body, string field) => Has(body, field) ? body.GetProperty(field).ToString() : "";

    static bool IsText(JsonElement format) =>
        format.ValueKind == JsonValueKind.Object && Text(format, "type") == "text";
}
