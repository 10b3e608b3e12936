namespace Vllm.Text.Tokenization;

/// <summary>The tokens of one or two texts; all lists have one entry per token.</summary>
public sealed class TokenEncoding
{
    public required IReadOnlyList<int> Ids { get; init; }

    /// <summary>The tokens as the vocabulary writes them; an added token as it stood in the text.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>First code point and the one after the last, in the text that the token came from.</summary>
    public required IReadOnlyList<(int Start, int End)> Offsets { get; init; }

    public required IReadOnlyList<int> TypeIds { get; init; }

    /// <summary>1 for tokens that were added around the text.</summary>
    public required IReadOnlyList<int> SpecialTokensMask { get; init; }

    /// <summary>0 or 1 for the first and second text, null for added tokens.</summary>
    public required IReadOnlyList<int?> SequenceIds { get; init; }
}
