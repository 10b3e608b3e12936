namespace Vllm.Text.Tokenization.Patterns;

/// <summary>Cuts UTF-8 text into pieces that cover it. Stateless and safe for any number of threads.</summary>
abstract class Splitter
{
    /// <summary>Where the piece that starts at <paramref name="start"/> ends. The result is greater than
    /// <paramref name="start"/>; <paramref name="text"/> is valid UTF-8 and is all that the pattern sees.</summary>
    public abstract int PieceEnd(ReadOnlySpan<byte> text, int start);
}
