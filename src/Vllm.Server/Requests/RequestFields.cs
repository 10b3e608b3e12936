using System.Text.Json;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>The fields of a body that has passed <see cref="RequestSchema"/>: so reading cannot fail, and null stands
/// for absent.</summary>
readonly struct RequestFields(JsonElement body)
{
    public JsonElement Body => body;

    /// <summary>The field's value; an explicit null counts as absent.</summary>
    public bool TryGet(string name, out JsonElement value) =>
        body.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public string? String(string name) => TryGet(name, out JsonElement value) ? JsonText.Of(value) : null;

    public bool Bool(string name, bool defaultValue = false)
    {
        if (!TryGet(name, out JsonElement value)) return defaultValue;
        LaxValue.TryBool(value, out bool result);
        return result;
    }

    public double? Float(string name)
    {
        if (!TryGet(name, out JsonElement value)) return null;
        LaxValue.TryFloat(value, out double result);
        return result;
    }

    /// <summary>A whole number of any size.</summary>
    public Int128? Integer(string name)
    {
        if (!TryGet(name, out JsonElement value)) return null;
        LaxValue.TryInteger(value, out Int128 result);
        return result;
    }

    /// <summary>A whole number; beyond 32 bits the nearest there is, which every range check treats alike.</summary>
    public int? Int(string name) => Integer(name) is { } value ? Clamp(value) : null;

    public List<int>? IntList(string name) => TryGet(name, out JsonElement value) ? IntList(value) : null;

    public static List<int> IntList(JsonElement array)
    {
        var list = new List<int>(array.GetArrayLength());
        foreach (JsonElement item in array.EnumerateArray())
        {
            LaxValue.TryInteger(item, out Int128 number);
            list.Add(Clamp(number));
        }
        return list;
    }

    /// <summary>A list of strings, or one string as a list.</summary>
    public List<string> StringList(string name)
    {
        if (!TryGet(name, out JsonElement value)) return [];
        return value.ValueKind == JsonValueKind.String ? [JsonText.Of(value)] : [.. value.EnumerateArray().Select(JsonText.Of)];
    }

    static int Clamp(Int128 value) => (int)Int128.Clamp(value, int.MinValue, int.MaxValue);
}
