using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>A set of code points in a regular expression: a bitmap for ASCII, an expression above it.</summary>
sealed class CodePointSet
{
    readonly ulong _asciiLow, _asciiHigh;
    readonly Func<int, bool> _contains;

    CodePointSet(Func<int, bool> contains)
    {
        _contains = contains;
        for (int c = 0; c < 64; c++)
        {
            if (contains(c)) _asciiLow |= 1UL << c;
            if (contains(c + 64)) _asciiHigh |= 1UL << c;
        }
    }

    public static CodePointSet Of(Func<int, bool> contains) => new(contains);

    public static CodePointSet Of(int codePoint) => new(c => c == codePoint);

    public static CodePointSet Of(int first, int last) => new(c => c >= first && c <= last);

    public static CodePointSet OfCategories(int categories) => new(c => CodePoints.IsIn(c, categories));

    public static CodePointSet OfRanges(int[] ranges) => new(c => UnicodeProperties.Contains(ranges, c));

    public static CodePointSet Union(IReadOnlyList<CodePointSet> sets)
    {
        if (sets.Count == 1) return sets[0];
        CodePointSet[] all = [.. sets];
        return new(c =>
        {
            foreach (CodePointSet set in all)
                if (set.Contains(c)) return true;
            return false;
        });
    }

    public CodePointSet Intersect(CodePointSet other) => new(c => Contains(c) && other.Contains(c));

    public CodePointSet Not() => new(c => !Contains(c));

    /// <summary>The set with everything that equals a member when case is ignored.</summary>
    public CodePointSet IgnoringCase() => new(c =>
    {
        foreach (int equivalent in CaseMapping.Equivalents(c))
            if (Contains(equivalent)) return true;
        return Contains(c);
    });

    public bool Contains(int codePoint) =>
        codePoint < 64 ? (_asciiLow >> codePoint & 1) != 0
        : codePoint < 128 ? (_asciiHigh >> (codePoint - 64) & 1) != 0
        : _contains(codePoint);
}
