namespace Vllm.Text.Tokenization.Gguf;

/// <summary>How a kind of GGUF vocabulary turns text between special tokens into ids.</summary>
abstract class GgufModel
{
    /// <summary>Appends the ids of a text; <paramref name="followsSpecial"/>: it is at the start or right after a
    /// special token.</summary>
    public abstract void Encode(ReadOnlySpan<byte> text, bool followsSpecial, IdBuffer output);
}
