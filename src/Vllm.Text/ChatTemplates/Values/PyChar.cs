using System.Globalization;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Classes of characters as Python 3.11 has them, with Unicode 14; what was added since is
/// unassigned.</summary>
static class PyChar
{
    public static bool IsSpace(int code) => code switch
    {
        < 0x80 => code is >= 9 and <= 13 or >= 0x1c and <= 0x20,
        0x85 or 0xa0 or 0x1680 => true,
        < 0x2000 => false,
        _ => code is <= 0x200a or 0x2028 or 0x2029 or 0x202f or 0x205f or 0x3000,
    };

    public static UnicodeCategory CategoryOf(int code) =>
        UnicodeTables.IsAssignedAfter14(code) ? UnicodeCategory.OtherNotAssigned
            : CharUnicodeInfo.GetUnicodeCategory(code);

    public static bool IsPrintable(int code) => code == ' ' || CategoryOf(code) switch
    {
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or
        UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or
        UnicodeCategory.SpaceSeparator => false,
        _ => true,
    };

    public static bool IsAlpha(int code) => CategoryOf(code) <= UnicodeCategory.OtherLetter;

    public static bool IsDecimal(int code) => CategoryOf(code) == UnicodeCategory.DecimalDigitNumber;

    public static bool IsDigit(int code) =>
        !UnicodeTables.IsAssignedAfter14(code) && CharUnicodeInfo.GetDigitValue(PyString.FromCodePoint(code), 0) >= 0;

    public static bool IsNumeric(int code) =>
        !UnicodeTables.IsAssignedAfter14(code) &&
        (CharUnicodeInfo.GetNumericValue(PyString.FromCodePoint(code), 0) != -1
            || UnicodeTables.IsNumericIdeograph(code));

    public static bool IsAlnum(int code) =>
        code < 0x80 ? char.IsAsciiLetterOrDigit((char)code) : IsAlpha(code) || IsNumeric(code);

    /// <summary>Python's <c>\w</c>.</summary>
    public static bool IsWord(string text, int index) =>
        text[index] == '_' || IsAlnum(PyString.CodePointValueAt(text, index));

    // Cased letters beyond the categories (Other_Lowercase, Other_Uppercase): ª, º, modifier letters, circled letters, …
    public static bool IsLower(int code) => code < 0x80
        ? char.IsAsciiLetterLower((char)code)
        : CategoryOf(code) == UnicodeCategory.LowercaseLetter || UnicodeTables.IsOtherLowercase(code);

    public static bool IsUpper(int code) => code < 0x80
        ? char.IsAsciiLetterUpper((char)code)
        : CategoryOf(code) == UnicodeCategory.UppercaseLetter || UnicodeTables.IsOtherUppercase(code);

    public static bool IsTitle(int code) => CategoryOf(code) == UnicodeCategory.TitlecaseLetter;

    public static bool IsCased(int code) => IsLower(code) || IsUpper(code) || IsTitle(code);

    public static bool IsIdentifier(string text)
    {
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
            if (!IsIdentifierPart(PyString.CodePointValueAt(text, i), isFirst: i == 0))
                return false;
        return text.Length > 0;
    }

    static bool IsIdentifierPart(int code, bool isFirst) => code == '_' || CategoryOf(code) switch
    {
        <= UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber => true,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.DecimalDigitNumber or
        UnicodeCategory.ConnectorPunctuation => !isFirst,
        _ => code == 0xB7 && !isFirst,
    };

    public static string TrimEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1])) end--;
        return text[..end];
    }

    public static string TrimStart(string text)
    {
        int start = 0;
        while (start < text.Length && IsSpace(text[start])) start++;
        return text[start..];
    }
}
