using System.Text;
using Vllm.Text.Tokenization;

namespace Vllm.Server.Generation;

/// <summary>The texts of single tokens beside log-probabilities. A token that ends inside a character has an empty
/// text; the token that completes the character gets the whole of it (vLLM's rule).</summary>
sealed class TokenText(Tokenizer tokenizer)
{
    /// <summary>Tokens before one that may hold the beginning of its character: no character has more than four
    /// bytes.</summary>
    public const int ContextLength = 4;

    const char Replacement = '\uFFFD';

    /// <param name="tokenId">The token.</param>
    /// <param name="context">The tokens before it; only the last <see cref="ContextLength"/> matter.</param>
    /// <param name="asId">Write <c>token_id:17</c> in place of the text.</param>
    public string Of(int tokenId, ReadOnlySpan<int> context, bool asId = false)
    {
        if (asId) return $"token_id:{tokenId}";
        string text = Decode([tokenId]);
        return text.EndsWith(Replacement) ? Complete(tokenId, context) : text;
    }

    /// <summary>The token decoded by itself; U+FFFD stands for bytes that are no character.</summary>
    public string Alone(int tokenId) => Decode([tokenId]);

    string Complete(int tokenId, ReadOnlySpan<int> context)
    {
        for (int numContext = 1; numContext <= Math.Min(context.Length, ContextLength); numContext++)
        {
            ReadOnlySpan<int> before = context[^numContext..];
            string text = Decode([.. before, tokenId]);
            if (text.EndsWith(Replacement)) continue;

            // Tokens directly before that were incomplete too had an empty text: theirs belongs to this token.
            int numComplete = before.Length;
            while (numComplete > 0 && Decode([before[numComplete - 1]]).EndsWith(Replacement)) numComplete--;
            string prefix = numComplete == 0 ? "" : Decode(before[..numComplete]);
            return text[text.AsSpan().CommonPrefixLength(prefix)..];
        }
        return "";
    }

    string Decode(ReadOnlySpan<int> tokenIds) => tokenizer.Decode(tokenIds, skipSpecialTokens: false);

    /// <summary>Characters as Python counts them.</summary>
    public static int Length(string text)
    {
        int length = 0;
        foreach (Rune _ in text.EnumerateRunes()) length++;
        return length;
    }
}
