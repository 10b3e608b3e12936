using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Vllm.Server.Protocol;

/// <summary>Values as vLLM's messages print them, which is Python's way.</summary>
static class PythonText
{
    public static string Float(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        int exponent = text.IndexOf('E');
        // Both print the shortest digits; Python writes small exponents with a lower-case e and two digits.
        if (exponent >= 0) return text[..exponent] + "e" + text[exponent + 1] + text[(exponent + 2)..].PadLeft(2, '0');
        return text.Contains('.') ? text : text + ".0";
    }

    /// <summary>The shortest text of a value that was rounded to single precision.</summary>
    public static string Float(float value) =>
        Float(double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));

    public static string List(IEnumerable<int> values) => $"[{string.Join(", ", values)}]";

    public static string List(IEnumerable<string> values) => $"[{string.Join(", ", values.Select(Quote))}]";

    /// <summary>A string literal: single quotes, unless only double ones save an escape.</summary>
    public static string Quote(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var result = new StringBuilder().Append(quote);
        foreach (char c in text)
        {
            if (c == quote || c == '\\') result.Append('\\').Append(c);
            else if (c == '\n') result.Append("\\n");
            else if (c == '\r') result.Append("\\r");
            else if (c == '\t') result.Append("\\t");
            else if (c < ' ' || c == '\x7f') result.Append("\\x").Append(((int)c).ToString("x2", CultureInfo.InvariantCulture));
            else result.Append(c);
        }
        return result.Append(quote).ToString();
    }

    /// <summary><c>str()</c> of a JSON scalar.</summary>
    public static string Scalar(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonText.Of(value),
        JsonValueKind.Null => "None",
        JsonValueKind.True => "True",
        JsonValueKind.False => "False",
        _ => value.GetRawText(),
    };
}
