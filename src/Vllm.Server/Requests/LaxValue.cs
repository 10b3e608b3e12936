using System.Globalization;
using System.Text.Json;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>JSON values read as leniently as vLLM reads them: numbers in strings, whole floats as integers, words as
/// booleans. A failure is the name and the text of the schema error.</summary>
static class LaxValue
{
    public static (string Type, string Message)? TryInteger(JsonElement value, out Int128 result)
    {
        result = 0;
        switch (value.ValueKind)
        {
            case JsonValueKind.True:
                result = 1;
                return null;
            case JsonValueKind.False:
                return null;
            case JsonValueKind.Number:
                return TryIntegerText(value.GetRawText(), out result)
                    ? null
                    : ("int_from_float", "Input should be a valid integer, got a number with a fractional part");
            case JsonValueKind.String:
                return TryIntegerText(JsonText.Of(value).Trim(), out result)
                    ? null
                    : ("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
            default:
                return ("int_type", "Input should be a valid integer");
        }
    }

    static bool TryIntegerText(string text, out Int128 result)
    {
        if (Int128.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out result)) return true;
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real)) return false;
        if (double.Truncate(real) != real) return false;
        result = (Int128)real; // saturates
        return true;
    }

    public static (string Type, string Message)? TryFloat(JsonElement value, out double result)
    {
        result = 0;
        switch (value.ValueKind)
        {
            case JsonValueKind.True:
                result = 1;
                return null;
            case JsonValueKind.False:
                return null;
            case JsonValueKind.Number:
                result = value.GetDouble();
                return null;
            case JsonValueKind.String:
                return TryFloatText(JsonText.Of(value).Trim(), out result)
                    ? null
                    : ("float_parsing", "Input should be a valid number, unable to parse string as a number");
            default:
                return ("float_type", "Input should be a valid number");
        }
    }

    static bool TryFloatText(string text, out double result)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out result)) return true;
        string bare = text.TrimStart('+', '-').ToLowerInvariant();
        if (bare is not ("inf" or "infinity" or "nan")) return false;
        result = bare == "nan" ? double.NaN : text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
        return true;
    }

    public static (string Type, string Message)? TryBool(JsonElement value, out bool result)
    {
        string? word = value.ValueKind switch
        {
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            JsonValueKind.Number => value.GetDouble() switch { 0 => "false", 1 => "true", _ => "" },
            JsonValueKind.String => JsonText.Of(value).ToLowerInvariant(),
            _ => null,
        };
        result = word is "true" or "t" or "yes" or "y" or "on" or "1";
        if (result || word is "false" or "f" or "no" or "n" or "off" or "0") return null;
        return word is null
            ? ("bool_type", "Input should be a valid boolean")
            : ("bool_parsing", "Input should be a valid boolean, unable to interpret input");
    }
}
