using Vllm.Text.Tokenization.Unicode;
using static Vllm.Text.Tokenization.Unicode.CharClass;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary><c>[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|…)?|
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|…)?|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c> (GPT-4o; Tekken without contractions, one digit).</summary>
sealed class O200kScanner(CharClasses classes, int maxDigits, ContractionCase contraction) : WordScanner(classes)
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        CharClass first = Classes.At(text, start, out int size);
        int next = start + size;
        if ((first & Letter) == 0 && (first & (Number | LineBreak)) == 0)
        {
            // The optional leading character is tried first; a mark may also begin the word itself.
            int end = LowerEnd(text, next);
            if (end < 0 && (first & Mark) != 0) end = LowerEnd(text, start);
            if (end < 0) end = UpperEnd(text, next);
            if (end < 0) end = UpperEnd(text, start);
            if (end >= 0) return end + Contractions.LengthAt(text, end, contraction);
        }
        else if ((first & Letter) != 0)
        {
            int end = LowerEnd(text, start);
            if (end < 0) end = UpperEnd(text, start);
            if (end >= 0) return end + Contractions.LengthAt(text, end, contraction);
        }

        if ((first & Number) != 0) return NumberEnd(text, start, maxDigits);
        if ((first & Space) == 0) return PunctuationEnd(text, next);
        if (text[start] == ' ' && next < text.Length
            && (Classes.At(text, next, out _) & (Space | Letter | Number)) == 0)
            return PunctuationEnd(text, next);
        return SpaceOrLinesEnd(text, start);
    }

    /// <summary><c>Upper*Lower+</c>, or -1. The greedy first part gives back until the second has one
    /// character.</summary>
    int LowerEnd(ReadOnlySpan<byte> text, int index)
    {
        int afterLastLower = -1;
        while (index < text.Length)
        {
            CharClass c = Classes.At(text, index, out int size);
            if ((c & UpperLike) == 0)
                return (c & LowerLike) != 0 ? RunEnd(text, index + size, LowerLike) : afterLastLower;
            index += size;
            if ((c & LowerLike) != 0) afterLastLower = index;
        }
        return afterLastLower;
    }

    /// <summary><c>Upper+Lower*</c> where no <c>Upper*Lower+</c> matches, or -1.</summary>
    int UpperEnd(ReadOnlySpan<byte> text, int index)
    {
        int end = RunEnd(text, index, UpperLike);
        return end > index ? end : -1;
    }

    int PunctuationEnd(ReadOnlySpan<byte> text, int index)
    {
        index = RunEndWithout(text, index, Space | Letter | Number);
        while (index < text.Length && text[index] is (byte)'\r' or (byte)'\n' or (byte)'/') index++;
        return index;
    }
}
