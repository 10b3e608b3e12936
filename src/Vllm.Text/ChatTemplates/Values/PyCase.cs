using System.Globalization;
using System.Text;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Case of strings with Unicode's full mappings: ß becomes SS, a final Σ becomes ς.</summary>
static class PyCase
{
    delegate void AppendMapped(StringBuilder result, string text, int index, int code);

    public static string Upper(string text) =>
        Ascii.IsValid(text) ? text.ToUpperInvariant()
            : Map(text, static (r, _, _, code) => UnicodeTables.AppendUpper(r, code));

    public static string Lower(string text) => Ascii.IsValid(text) ? text.ToLowerInvariant() : Map(text, AppendLower);

    public static string Fold(string text) =>
        Ascii.IsValid(text) ? text.ToLowerInvariant()
            : Map(text, static (r, _, _, code) => UnicodeTables.AppendFold(r, code));

    public static string Capitalize(string text) => Map(text, static (result, text, index, code) =>
    {
        if (index == 0) UnicodeTables.AppendTitle(result, code);
        else AppendLower(result, text, index, code);
    });

    public static string SwapCase(string text) => Map(text, static (result, text, index, code) =>
    {
        if (PyChar.IsUpper(code)) AppendLower(result, text, index, code);
        else if (PyChar.IsLower(code)) UnicodeTables.AppendUpper(result, code);
        else PyString.AppendCodePoint(result, code);
    });

    /// <summary>Method <c>title()</c>: a letter after anything that is no letter is a capital.</summary>
    public static string Title(string text)
    {
        bool afterCased = false;
        return Map(text, (result, text, index, code) =>
        {
            if (afterCased) AppendLower(result, text, index, code);
            else UnicodeTables.AppendTitle(result, code);
            afterCased = PyChar.IsCased(code);
        });
    }

    static string Map(string text, AppendMapped append)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
            append(result, text, i, PyString.CodePointValueAt(text, i));
        return result.ToString();
    }

    static void AppendLower(StringBuilder result, string text, int index, int code)
    {
        if (code == 'Σ') result.Append(IsFinalSigma(text, index) ? 'ς' : 'σ');
        else UnicodeTables.AppendLower(result, code);
    }

    /// <summary>Whether a cased letter stands before and none after, not counting what has no case of its
    /// own.</summary>
    static bool IsFinalSigma(string text, int index)
    {
        int before = index - 1;
        while (before >= 0 && IsCaseIgnorable(CodePointBefore(text, before))) before--;
        if (before < 0 || !PyChar.IsCased(CodePointBefore(text, before))) return false;
        int after = index + 1;
        while (after < text.Length
            && IsCaseIgnorable(PyString.CodePointValueAt(text, after)))
            after += PyString.UnitsAt(text, after);
        return after >= text.Length || !PyChar.IsCased(PyString.CodePointValueAt(text, after));
    }

    /// <summary>The code point whose last unit is at the index; its first unit too gives it.</summary>
    static int CodePointBefore(string text, int index) =>
        char.IsLowSurrogate(text[index]) && index > 0 && char.IsHighSurrogate(text[index - 1])
            ? char.ConvertToUtf32(text[index - 1], text[index])
            : PyString.CodePointValueAt(text, index);

    static bool IsCaseIgnorable(int code) =>
        "'.:·\u0387\u055f\u05f4‘’\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a".Contains((char)code)
            && code <= 0xFFFF ||
        PyChar.CategoryOf(code) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;
}
