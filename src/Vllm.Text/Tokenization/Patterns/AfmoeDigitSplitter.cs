using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Groups of three numbers counted from the end of the run. As llama.cpp's handler for AFMoE does, the text
/// before a run stays in one piece with the run's first group.</summary>
sealed class AfmoeDigitSplitter(CharClasses classes) : WordScanner(classes)
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        // A piece ends inside a run only after a group, and what is left then are whole groups: no need to count again.
        if (start > 0 && (Classes.Of(CodePoints.DecodeLast(text, start, out _)) & CharClass.Number) != 0
            && NumberEnd(text, start, 3) is var group && group > start) return group;
        int digits = RunEndWithout(text, start, CharClass.Number);
        if (digits == text.Length) return digits;
        int count = 0;
        for (int i = digits, size; i < text.Length && (Classes.At(text, i, out size) & CharClass.Number) != 0; i += size)
            count++;
        return NumberEnd(text, digits, count % 3 > 0 ? count % 3 : 3);
    }
}
