using System.Text;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Strings by code points, as Python counts. Most texts have no surrogates: those take the short
/// way.</summary>
static class PyString
{
    static readonly string[] Ascii = [.. Enumerable.Range(0, 128).Select(code => ((char)code).ToString())];

    public static bool HasSurrogates(string text) => text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');

    public static int Length(string text)
    {
        if (!HasSurrogates(text)) return text.Length;
        int length = 0;
        for (int i = 0; i < text.Length; i += UnitsAt(text, i)) length++;
        return length;
    }

    /// <summary>UTF-16 units of the code point there; a lone surrogate is one by itself.</summary>
    public static int UnitsAt(string text, int index) =>
        char.IsHighSurrogate(text[index]) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]) ? 2 : 1;

    public static int CodePointValueAt(string text, int index) =>
        UnitsAt(text, index) == 2 ? char.ConvertToUtf32(text[index], text[index + 1]) : text[index];

    public static string CodePointAt(string text, int index) =>
        text[index] < 128 ? Ascii[text[index]] : text.Substring(index, UnitsAt(text, index));

    public static IEnumerable<string> CodePoints(string text)
    {
        for (int i = 0; i < text.Length; i += UnitsAt(text, i)) yield return CodePointAt(text, i);
    }

    /// <summary>Index of the unit where that code point starts; the text's length if it has no more than
    /// that.</summary>
    public static int UnitIndex(string text, int codePoint)
    {
        if (!HasSurrogates(text)) return Math.Min(codePoint, text.Length);
        int unit = 0;
        for (int i = 0; i < codePoint && unit < text.Length; i++) unit += UnitsAt(text, unit);
        return unit;
    }

    /// <summary>How many code points stand before a unit.</summary>
    public static int CodePointIndex(string text, int unit) => Length(text[..unit]);

    public static void AppendCodePoint(StringBuilder builder, int code)
    {
        if (code <= 0xFFFF) builder.Append((char)code);
        else builder.Append(char.ConvertFromUtf32(code));
    }

    public static string FromCodePoint(int code)
    {
        if (code < 128) return Ascii[code];
        return code <= 0xFFFF ? ((char)code).ToString() : char.ConvertFromUtf32(code);
    }

    /// <summary>Orders by code points; UTF-16 order differs where surrogates meet U+E000 and up.</summary>
    public static int Compare(string left, string right)
    {
        int common = Math.Min(left.Length, right.Length);
        for (int i = 0; i < common; i++)
        {
            if (left[i] == right[i]) continue;
            bool leftSurrogate = char.IsSurrogate(left[i]), rightSurrogate = char.IsSurrogate(right[i]);
            return leftSurrogate == rightSurrogate ? left[i] - right[i] : leftSurrogate ? 1 : -1;
        }
        return left.Length - right.Length;
    }
}
