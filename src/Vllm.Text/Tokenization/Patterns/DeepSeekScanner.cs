using Vllm.Text.Tokenization.Unicode;
using static Vllm.Text.Tokenization.Unicode.CharClass;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>DeepSeek V3's third pattern. Numbers and what has none of its classes are left between the
/// matches.</summary>
sealed class DeepSeekScanner(CharClasses classes) : WordScanner(classes)
{
    public const string Pattern =
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
        + @" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int end = MatchEnd(text, start);
        if (end >= 0) return end;
        for (int i = start; i < text.Length;)
        {
            Classes.At(text, i, out int size);
            i += size;
            if (i == text.Length || MatchEnd(text, i) >= 0) return i;
        }
        return text.Length;
    }

    /// <summary>End of the match that begins here, or -1.</summary>
    int MatchEnd(ReadOnlySpan<byte> text, int start)
    {
        CharClass first = Classes.At(text, start, out int size);
        int next = start + size;
        CharClass second = next < text.Length ? Classes.At(text, next, out _) : Space;
        if ((first & PunctuationOrSymbol) != 0)
        {
            bool takesLetters = next < text.Length && text[start] < 0x80 && char.IsAsciiLetter((char)text[next]);
            return takesLetters ? AsciiLetterEnd(text, next) : PunctuationEnd(text, next);
        }
        if ((first & (Letter | Mark)) != 0) return RunEnd(text, next, Letter | Mark);
        if ((first & LineBreak) == 0 && (second & (Letter | Mark)) != 0) return RunEnd(text, next, Letter | Mark);
        if (text[start] == ' ' && (second & PunctuationOrSymbol) != 0) return PunctuationEnd(text, next);
        return (first & Space) != 0 ? SpaceOrLinesEnd(text, start) : -1;
    }

    static int AsciiLetterEnd(ReadOnlySpan<byte> text, int index)
    {
        while (index < text.Length && char.IsAsciiLetter((char)text[index])) index++;
        return index;
    }

    int PunctuationEnd(ReadOnlySpan<byte> text, int index) =>
        RunEnd(text, RunEnd(text, index, PunctuationOrSymbol), LineBreak);
}
