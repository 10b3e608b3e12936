using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>A match of a pattern, or the text between two matches.</summary>
readonly record struct PatternPart(int Start, int End, bool IsMatch);

/// <summary>What splitters and replacers look for. The parts it finds cover the whole text, in order.</summary>
abstract class TextPattern
{
    public abstract List<PatternPart> FindParts(ReadOnlySpan<byte> text);

    /// <summary>The pattern's text when it is a regular expression.</summary>
    public virtual string? Regex => null;

    protected static void AddMatch(List<PatternPart> parts, ref int previous, int start, int end)
    {
        if (previous != start) parts.Add(new PatternPart(previous, start, false));
        parts.Add(new PatternPart(start, end, true));
        previous = end;
    }

    protected static List<PatternPart> Finish(List<PatternPart> parts, int previous, int length)
    {
        if (previous != length) parts.Add(new PatternPart(previous, length, false));
        return parts;
    }
}

/// <summary>A literal string.</summary>
sealed class StringPattern(string value) : TextPattern
{
    readonly byte[] _value = Encoding.UTF8.GetBytes(value);

    public override List<PatternPart> FindParts(ReadOnlySpan<byte> text)
    {
        var parts = new List<PatternPart>();
        int previous = 0;
        while (_value.Length > 0 && previous < text.Length)
        {
            int found = text[previous..].IndexOf(_value);
            if (found < 0) break;
            AddMatch(parts, ref previous, previous + found, previous + found + _value.Length);
        }
        return Finish(parts, previous, text.Length);
    }
}

/// <summary>A regular expression in Oniguruma's syntax.</summary>
sealed class RegexPattern(string pattern) : TextPattern
{
    readonly RegexProgram _program = RegexProgram.Compile(pattern, RegexFlavor.Oniguruma);

    public override string Regex => pattern;

    public override List<PatternPart> FindParts(ReadOnlySpan<byte> text)
    {
        var parts = new List<PatternPart>();
        var matcher = new RegexMatcher(_program, text);
        int previous = 0, from = 0, lastEnd = -1;
        while (from <= text.Length && text.Length > 0 && matcher.Find(from, out int start, out int end))
        {
            from = end;
            if (start == end)
            {
                from = end < text.Length ? end + SizeAt(text, end) : end + 1;
                // An empty match right after another match does not count.
                if (end == lastEnd) continue;
                from = end;
            }
            lastEnd = end;
            AddMatch(parts, ref previous, start, end);
        }
        return Finish(parts, previous, text.Length);
    }

    static int SizeAt(ReadOnlySpan<byte> text, int index)
    {
        CodePoints.Decode(text, index, out int size);
        return size;
    }
}

/// <summary>Single code points that satisfy a predicate.</summary>
sealed class CodePointPattern(Func<int, bool> isMatch) : TextPattern
{
    public override List<PatternPart> FindParts(ReadOnlySpan<byte> text)
    {
        var parts = new List<PatternPart>();
        int previous = 0;
        for (int i = 0, size; i < text.Length; i += size)
            if (isMatch(CodePoints.Decode(text, i, out size))) AddMatch(parts, ref previous, i, i + size);
        return Finish(parts, previous, text.Length);
    }
}
