using Vllm.Text.Tokenization.Unicode;
using static Vllm.Text.Tokenization.Unicode.CharClass;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>What differs among the patterns of the cl100k family.</summary>
/// <param name="MaxDigits">Upper bound of <c>\p{N}{1,n}</c>.</param>
/// <param name="Contraction">The first alternative.</param>
/// <param name="WithMarks">Words are <c>[\p{L}\p{M}]+</c>, and marks are no punctuation.</param>
/// <param name="PunctuationTakesLineBreaks">Punctuation ends with <c>[\r\n]*</c>.</param>
readonly record struct Cl100kOptions(
    int MaxDigits, ContractionCase Contraction, bool WithMarks = false, bool PunctuationTakesLineBreaks = true);

/// <summary><c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+</c> and its variants (Llama 3, Qwen 2, …).</summary>
sealed class Cl100kScanner(CharClasses classes, Cl100kOptions options) : WordScanner(classes)
{
    readonly CharClass _word = options.WithMarks ? Letter | Mark : Letter;

    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int contraction = Contractions.LengthAt(text, start, options.Contraction);
        if (contraction > 0) return start + contraction;

        CharClass first = Classes.At(text, start, out int size);
        int next = start + size;
        if ((first & _word) != 0) return RunEnd(text, next, _word);
        if ((first & Number) != 0) return NumberEnd(text, start, options.MaxDigits);

        CharClass second = next < text.Length ? Classes.At(text, next, out int secondSize) : Space;
        if ((second & _word) != 0 && (first & LineBreak) == 0) return RunEnd(text, next, _word);
        if ((first & Space) == 0) return PunctuationEnd(text, next);
        if (text[start] == ' ' && (second & (Space | _word | Number)) == 0) return PunctuationEnd(text, next);
        return SpaceOrLinesEnd(text, start);
    }

    int PunctuationEnd(ReadOnlySpan<byte> text, int index)
    {
        index = RunEndWithout(text, index, Space | _word | Number);
        return options.PunctuationTakesLineBreaks ? RunEnd(text, index, LineBreak) : index;
    }
}
