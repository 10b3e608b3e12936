using Vllm.Text.Tokenization.Unicode;
using static Vllm.Text.Tokenization.Unicode.CharClass;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary><c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c></summary>
sealed class Gpt2Scanner(CharClasses classes) : WordScanner(classes)
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        int contraction = Contractions.LengthAt(text, start, ContractionCase.Exact);
        if (contraction > 0) return start + contraction;

        CharClass first = Classes.At(text, start, out int size);
        int body = start;
        if (text[start] == ' ' && start + 1 < text.Length)
        {
            body++;
            first = Classes.At(text, body, out size);
        }
        if ((first & Letter) != 0) return RunEnd(text, body + size, Letter);
        if ((first & Number) != 0) return RunEnd(text, body + size, Number);
        if ((first & Space) == 0) return RunEndWithout(text, body + size, Space | Letter | Number);
        return SpaceEnd(text, start);
    }
}
