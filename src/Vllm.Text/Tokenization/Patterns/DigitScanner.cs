using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary><c>\p{N}{1,n}</c>: groups of numbers, and the text between them.</summary>
sealed class DigitScanner(CharClasses classes, int maxDigits) : WordScanner(classes)
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int end = NumberEnd(text, start, maxDigits);
        return end > start ? end : RunEndWithout(text, start, CharClass.Number);
    }
}
