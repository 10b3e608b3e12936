using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Any pattern: each match is a piece, and so is what lies between two matches. An empty match
/// separates.</summary>
sealed class RegexSplitter(RegexProgram program) : Splitter
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        var matcher = new RegexMatcher(program, text);
        if (!matcher.Find(start, out int matchStart, out int matchEnd)) return text.Length;
        if (matchStart > start) return matchStart;
        if (matchEnd > start) return matchEnd;
        CodePoints.Decode(text, start, out int size);
        return matcher.Find(start + size, out matchStart, out _) ? matchStart : text.Length;
    }
}
