using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates;

/// <summary>JSON as the values of a template, as Python's <c>json.loads</c> makes them.</summary>
static class JsonValues
{
    public static object? Convert(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        JsonValueKind.True => Boxed.True,
        JsonValueKind.False => Boxed.False,
        JsonValueKind.String => ReadString(json),
        JsonValueKind.Number => ReadNumber(json),
        JsonValueKind.Array => ReadArray(json),
        _ => ReadObject(json),
    };

    static PyList ReadArray(JsonElement json)
    {
        var items = new object?[json.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in json.EnumerateArray()) items[index++] = Convert(item);
        return new PyList(items);
    }

    static PyDict ReadObject(JsonElement json)
    {
        var dict = new PyDict(json.GetPropertyCount());
        foreach (JsonProperty property in json.EnumerateObject()) dict.Set(property.Name, Convert(property.Value));
        return dict;
    }

    /// <summary>A number with a point or an exponent is a float; any other an int, however long.</summary>
    static object ReadNumber(JsonElement json)
    {
        if (json.TryGetInt64(out long value) && !IsFloat(json.GetRawText())) return Boxed.Int(value);
        string text = json.GetRawText();
        if (IsFloat(text)) return double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return PyNumber.Normalize(BigInteger.Parse(text, CultureInfo.InvariantCulture));
    }

    static bool IsFloat(string text) => text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0;

    static string ReadString(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            return UnescapeLoneSurrogates(json.GetRawText());
        }
    }

    /// <summary>System.Text.Json refuses half of a surrogate pair; Python keeps it, and so does a template.</summary>
    static string UnescapeLoneSurrogates(string raw)
    {
        var text = new StringBuilder(raw.Length);
        for (int i = 1; i < raw.Length - 1; i++)
        {
            if (raw[i] != '\\')
            {
                text.Append(raw[i]);
                continue;
            }
            i++;
            text.Append(raw[i] == 'u' ? HexUnit(raw.AsSpan(i + 1, 4)) : Unescape(raw[i]));
            if (raw[i] == 'u') i += 4;
        }
        return text.ToString();
    }

    static char HexUnit(ReadOnlySpan<char> digits) =>
        (char)ushort.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    static char Unescape(char c) => c switch
    {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\b',
        'f' => '\f',
        _ => c,
    };
}
