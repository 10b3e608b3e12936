using System.Globalization;
using System.Text;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>String literals with Python's escapes (codec <c>unicode-escape</c>).</summary>
static class StringLiteral
{
    /// <summary>Index of the closing quote, or -1.</summary>
    public static int FindEnd(string source, int start)
    {
        for (int i = start + 1; i < source.Length; i++)
        {
            if (source[i] == source[start]) return i;
            if (source[i] == '\\') i++;
        }
        return -1;
    }

    public static string Unescape(string text, int line)
    {
        if (!text.Contains('\\')) return text;
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }
            if (++i == text.Length) throw Error.Syntax("\\ at end of string", line);
            switch (text[i])
            {
                case '\n': break;
                case '\\' or '\'' or '"': result.Append(text[i]); break;
                case 'a': result.Append('\a'); break;
                case 'b': result.Append('\b'); break;
                case 'f': result.Append('\f'); break;
                case 'n': result.Append('\n'); break;
                case 'r': result.Append('\r'); break;
                case 't': result.Append('\t'); break;
                case 'v': result.Append('\v'); break;
                case 'x': i = Hex(text, i, 2, "truncated \\xXX escape", line, result); break;
                case 'u': i = Hex(text, i, 4, "truncated \\uXXXX escape", line, result); break;
                case 'U': i = Hex(text, i, 8, "truncated \\UXXXXXXXX escape", line, result); break;
                case 'N': i = Named(text, i, line, result); break;
                case >= '0' and <= '7': i = Octal(text, i, result); break;
                // Jinja encodes the source as ASCII first, so a character beyond ASCII after a backslash becomes an
                // escape whose own backslash is taken by the one before it.
                case > '\x7f': i = EscapedNonAscii(text, i, result); break;
                default: result.Append('\\').Append(text[i]); break;
            }
        }
        return result.ToString();
    }

    static int Hex(string text, int i, int digits, string message, int line, StringBuilder result)
    {
        if (i + digits >= text.Length) throw Error.Syntax(message, line);
        if (!uint.TryParse(text.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out uint code))
            throw Error.Syntax(message, line);
        if (code > 0x10FFFF) throw Error.Syntax("illegal Unicode character", line);
        PyString.AppendCodePoint(result, (int)code);
        return i + digits;
    }

    static int Octal(string text, int i, StringBuilder result)
    {
        int code = 0, end = i;
        while (end < text.Length && end < i + 3
            && text[end] is >= '0' and <= '7')
            code = code * 8 + (text[end++] - '0');
        PyString.AppendCodePoint(result, code);
        return end - 1;
    }

    static int Named(string text, int i, int line, StringBuilder result)
    {
        int close = i + 1 < text.Length && text[i + 1] == '{' ? text.IndexOf('}', i) : -1;
        if (close < 0) throw Error.Syntax("malformed \\N character escape", line);
        int code = UnicodeNames.Find(text[(i + 2)..close]);
        if (code < 0) throw Error.Syntax("unknown Unicode character name", line);
        PyString.AppendCodePoint(result, code);
        return close;
    }

    static int EscapedNonAscii(string text, int i, StringBuilder result)
    {
        int code = char.ConvertToUtf32(text, i);
        string escape = code < 0x100 ? $"x{code:x2}" : code < 0x10000 ? $"u{code:x4}" : $"U{code:x8}";
        result.Append('\\').Append(escape);
        return code > 0xFFFF ? i + 1 : i;
    }
}
