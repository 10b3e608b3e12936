using System.Globalization;
using System.Text.Json;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server.Generation;

/// <summary>The field <c>vllm_xargs</c>: arguments for the logits processors that the server was started with.</summary>
static class ExtraArgs
{
    /// <exception cref="RequestException">An integer is beyond 64 bits.</exception>
    public static IReadOnlyDictionary<string, object>? Read(RequestFields fields)
    {
        if (!fields.TryGet("vllm_xargs", out JsonElement arguments)) return null;
        var values = new Dictionary<string, object>();
        foreach (JsonProperty argument in arguments.EnumerateObject()) values[argument.Name] = ValueOf(argument.Value);
        return values;
    }

    static object ValueOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().Select(ValueOf).ToArray(),
        JsonValueKind.String => JsonText.Of(value),
        JsonValueKind.Number => NumberOf(value),
        _ => value.GetBoolean() ? 1L : 0L, // Python's booleans are integers
    };

    static object NumberOf(JsonElement value)
    {
        string text = value.GetRawText();
        if (text.AsSpan().ContainsAny(".eE")) return value.GetDouble();
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)) return number;
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong large)) return large;
        throw RequestException.Field("extra_args integers must be between -2**63 and 2**64 - 1.", "extra_args");
    }
}
