using Vllm.Text.Tokenization.Normalizers;

namespace Vllm.Text.Tokenization.PreTokenizers;

/// <summary>A piece of text for the model, or an added token that was found in the text (<see cref="TokenId"/> ≥
/// 0).</summary>
readonly record struct TextPiece(NormalizedText Text, int TokenId = -1);

/// <summary>A text in pieces. Pieces that are tokens already stay as they are; empty pieces vanish.</summary>
sealed class PreTokenizedText(NormalizedText text)
{
    List<TextPiece> _pieces = [new TextPiece(text)];

    public IReadOnlyList<TextPiece> Pieces => _pieces;

    public void Split(Action<NormalizedText, List<TextPiece>> split)
    {
        var result = new List<TextPiece>(_pieces.Count);
        var parts = new List<TextPiece>();
        foreach (TextPiece piece in _pieces)
        {
            if (piece.TokenId >= 0)
            {
                result.Add(piece);
                continue;
            }
            parts.Clear();
            split(piece.Text, parts);
            foreach (TextPiece part in parts)
                if (!part.Text.IsEmpty) result.Add(part);
        }
        _pieces = result;
    }

    /// <summary>Rewrites the text of each piece.</summary>
    public void Normalize(Action<NormalizedText> normalize)
    {
        foreach (TextPiece piece in _pieces)
            if (piece.TokenId < 0) normalize(piece.Text);
    }
}
