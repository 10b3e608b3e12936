namespace Vllm.Text.Tokenization.PostProcessors;

/// <summary>A token with what <see cref="TokenEncoding"/> tells about it.</summary>
record struct EncodedToken(int Id, string Text, int Start, int End, int TypeId = 0, bool IsSpecial = false,
    int? Sequence = null);

/// <summary>The tokens of one text, or special tokens between texts.</summary>
sealed class EncodedSequence
{
    public List<EncodedToken> Tokens { get; } = [];

    public void SetTypeId(int typeId)
    {
        for (int i = 0; i < Tokens.Count; i++) Tokens[i] = Tokens[i] with { TypeId = typeId };
    }

    public void SetSequence(int sequence)
    {
        for (int i = 0; i < Tokens.Count; i++) Tokens[i] = Tokens[i] with { Sequence = sequence };
    }

    public EncodedSequence Copy()
    {
        var copy = new EncodedSequence();
        copy.Tokens.AddRange(Tokens);
        return copy;
    }
}
