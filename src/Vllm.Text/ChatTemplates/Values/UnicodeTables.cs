using System.Text;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Lookups in the tables, and case mapping of single characters.</summary>
static partial class UnicodeTables
{
    static readonly Dictionary<int, string> Uppers = Parse(UpperExceptions);
    static readonly Dictionary<int, string> Titles = Parse(TitleExceptions);
    static readonly Dictionary<int, string> Folds = Parse(FoldExceptions);

    public static bool IsAssignedAfter14(int code) => code >= 0x80 && InRanges(AssignedAfter14, code);

    public static bool IsNumericIdeograph(int code) =>
        code >= NumericIdeographs[0] && InRanges(NumericIdeographs, code);

    public static bool IsOtherLowercase(int code) => InRanges(OtherLowercase, code);

    public static bool IsOtherUppercase(int code) => InRanges(OtherUppercase, code);

    public static void AppendUpper(StringBuilder result, int code)
    {
        if (code >= 0x80 && Uppers.TryGetValue(code, out string? mapped)) result.Append(mapped);
        else PyString.AppendCodePoint(result, SimpleUpper(code));
    }

    public static void AppendLower(StringBuilder result, int code)
    {
        if (code == 0x130) result.Append("i\u0307");
        else PyString.AppendCodePoint(result, SimpleLower(code));
    }

    public static void AppendTitle(StringBuilder result, int code)
    {
        const int georgianFirst = 0x10D0, georgianLast = 0x10FF; // have an uppercase, but titlecase leaves them alone
        if (code is >= georgianFirst and <= georgianLast) PyString.AppendCodePoint(result, code);
        else if (code >= 0x80 && Titles.TryGetValue(code, out string? mapped)) result.Append(mapped);
        else AppendUpper(result, code);
    }

    public static void AppendFold(StringBuilder result, int code)
    {
        // Cherokee folds to its uppercase, which is the older form.
        if (code is >= 0xAB70 and <= 0xABBF) PyString.AppendCodePoint(result, code - 0xAB70 + 0x13A0);
        else if (code is >= 0x13F8 and <= 0x13FD) PyString.AppendCodePoint(result, code - 8);
        else if (code is >= 0x13A0 and <= 0x13F5) PyString.AppendCodePoint(result, code);
        else if (code >= 0x80 && Folds.TryGetValue(code, out string? mapped)) result.Append(mapped);
        else AppendLower(result, code);
    }

    static int SimpleUpper(int code) =>
        IsAssignedAfter14(code) || !Rune.IsValid(code) ? code : Rune.ToUpperInvariant(new Rune(code)).Value;

    static int SimpleLower(int code) =>
        IsAssignedAfter14(code) || !Rune.IsValid(code) ? code : Rune.ToLowerInvariant(new Rune(code)).Value;

    /// <param name="ranges">First, last, first, last, …</param>
    /// <param name="code">The code point.</param>
    static bool InRanges(int[] ranges, int code)
    {
        int index = Array.BinarySearch(ranges, code);
        return index >= 0 || (~index & 1) == 1;
    }

    static Dictionary<int, string> Parse(string exceptions)
    {
        var map = new Dictionary<int, string>();
        foreach (string pair in exceptions.Split(' '))
        {
            int units = PyString.UnitsAt(pair, 0);
            map[PyString.CodePointValueAt(pair, 0)] = pair[units..];
        }
        return map;
    }
}
