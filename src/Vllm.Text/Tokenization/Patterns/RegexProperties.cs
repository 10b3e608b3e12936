using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Names in <c>\p{…}</c> and <c>[[:…:]]</c>, with Oniguruma's meaning under Unicode.</summary>
static class RegexProperties
{
    public static CodePointSet? Find(string name, RegexFlavor flavor)
    {
        if (Categories.TryParse(name, out int categories))
        {
            bool isLetter = flavor.CollapsesLetters && (categories & Categories.L) != 0;
            return CodePointSet.OfCategories(isLetter ? Categories.L : categories);
        }
        if (FindPosix(name.ToLowerInvariant()) is { } posix) return posix;
        int equals = name.IndexOf('=', StringComparison.Ordinal);
        return UnicodeProperties.TryGetRanges(name[(equals + 1)..], out int[] ranges) ? CodePointSet.OfRanges(ranges)
            : null;
    }

    public static CodePointSet? FindPosix(string name) => name switch
    {
        "alpha" => CodePointSet.Of(UnicodeProperties.IsAlphabetic),
        "alnum" => CodePointSet.Of(c => UnicodeProperties.IsAlphabetic(c) || CodePoints.IsIn(c, Categories.Nd)),
        "digit" => CodePointSet.OfCategories(Categories.Nd),
        "space" => CodePointSet.Of(CodePoints.IsWhiteSpace),
        "blank" => CodePointSet.Of(c => c == '\t' || CodePoints.IsIn(c, Categories.Zs)),
        "upper" => OfProperty("Uppercase"),
        "lower" => OfProperty("Lowercase"),
        "cntrl" => CodePointSet.OfCategories(Categories.Cc),
        // The ASCII symbols $+<=>^`|~ count as punctuation too.
        "punct" => CodePointSet.Of(c =>
            CodePoints.IsIn(c, Categories.P) || c < 128 && CodePoints.IsIn(c, Categories.S)),
        "graph" => CodePointSet.Of(c => !CodePoints.IsWhiteSpace(c) && !IsInvisible(c)),
        "print" => CodePointSet.Of(c =>
            CodePoints.IsIn(c, Categories.Zs) || !CodePoints.IsWhiteSpace(c) && !IsInvisible(c)),
        "xdigit" => CodePointSet.Of(c => c < 128 && char.IsAsciiHexDigit((char)c)),
        "word" => CodePointSet.Of(UnicodeProperties.IsWord),
        "ascii" => CodePointSet.Of(0, 127),
        "any" => CodePointSet.Of(0, 0x10FFFF),
        _ => null,
    };

    static bool IsInvisible(int codePoint) => CodePoints.IsIn(codePoint, Categories.Cc | Categories.Cn | Categories.Cs);

    static CodePointSet? OfProperty(string name) =>
        UnicodeProperties.TryGetRanges(name, out int[] ranges) ? CodePointSet.OfRanges(ranges) : null;
}
