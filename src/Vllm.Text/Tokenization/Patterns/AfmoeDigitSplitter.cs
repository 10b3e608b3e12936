using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Groups of three numbers counted from the end of the run. As llama.cpp's handler for AFMoE does, the text
/// before a run stays in one piece with the run's first group.</summary>
sealed class AfmoeDigitSplitter(CharClasses classes) : WordScanner(classes)
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int digits = RunEndWithout(text, start, CharClass.Number);
        if (digits == text.Length) return digits;
        int count = 0;
        for (int i = digits; i < text.Length
            && (Classes.At(text, i, out int size) & CharClass.Number) != 0; i += size) count++;
        return NumberEnd(text, digits, count % 3 > 0 ? count % 3 : 3);
    }
}
