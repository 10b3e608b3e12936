using System.Text.Json;
using Vllm.Engine.Requests;

namespace Vllm.Server.Protocol;

/// <summary>How the ends of answers are named on the wire.</summary>
static class WireNames
{
    public static string? Of(FinishReason? reason) => reason switch
    {
        null => null,
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Abort => "abort",
        FinishReason.Error => "error",
        FinishReason.Repetition => "repetition",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, null),
    };

    /// <summary>The stop string, the stop token's id, or null for the end-of-sequence token and other ends.</summary>
    public static void WriteStopReason(Utf8JsonWriter json, CompletionOutput output)
    {
        if (output.FinishReason == FinishReason.Repetition) json.WriteString("stop_reason", "repetition_detected");
        else if (output.StopString is not null) json.WriteString("stop_reason", output.StopString);
        else if (output.StopTokenId is { } id) json.WriteNumber("stop_reason", id);
        else json.WriteNull("stop_reason");
    }

    public static void WriteTokenIds(Utf8JsonWriter json, string name, IReadOnlyList<int>? ids)
    {
        if (ids is null)
        {
            json.WriteNull(name);
            return;
        }
        json.WriteStartArray(name);
        foreach (int id in ids) json.WriteNumberValue(id);
        json.WriteEndArray();
    }
}
