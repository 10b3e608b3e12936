using System.Text;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary>A part of a text: a special token, or (<see cref="Id"/> -1) text between them.</summary>
readonly record struct TextFragment(int Id, int Start, int End)
{
    public bool IsText => Id < 0;
}

/// <summary>
/// Finds special tokens in a text as llama.cpp does: the longest token first, wherever it stands, then the next in
/// what is left. (Hugging Face looks from left to right instead.)
/// </summary>
sealed class SpecialTokenPartition
{
    readonly GgufVocabulary _vocabulary;
    readonly TokenTrie _trie;
    readonly byte[][] _texts;      // by position in SpecialIds

    public SpecialTokenPartition(GgufVocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        _texts = [.. vocabulary.SpecialIds.Select(id => Encoding.UTF8.GetBytes(vocabulary.Tokens.GetText(id)))];
        _trie = new TokenTrie(_texts);
    }

    /// <summary>The text in parts. Without <paramref name="parsesSpecial"/>, control and unknown tokens are left as
    /// text, user-defined ones are not.</summary>
    public List<TextFragment> Split(ReadOnlySpan<byte> text, bool parsesSpecial)
    {
        var fragments = new List<TextFragment>();
        if (text.Length > 0) fragments.Add(new TextFragment(-1, 0, text.Length));
        // One pass tells which of possibly thousands of tokens occur at all.
        foreach (int index in _trie.FindOccurring(text))
        {
            int id = _vocabulary.SpecialIds[index];
            if (!parsesSpecial && _vocabulary.Has(id, TokenAttributes.Control | TokenAttributes.Unknown)) continue;
            fragments = SplitBy(text, fragments, id, _texts[index]);
        }
        return fragments;
    }

    List<TextFragment> SplitBy(ReadOnlySpan<byte> text, List<TextFragment> fragments, int id, byte[] token)
    {
        var result = new List<TextFragment>(fragments.Count + 2);
        foreach (TextFragment fragment in fragments)
        {
            if (!fragment.IsText)
            {
                result.Add(fragment);
                continue;
            }
            int start = fragment.Start;
            while (start < fragment.End)
            {
                int found = text[start..fragment.End].IndexOf(token);
                if (found < 0) break;
                int left = start + found, right = left + token.Length;
                if (_vocabulary.Has(id, TokenAttributes.StripsLeft))
                    while (left > start && IsSpace(text[left - 1])) left--;
                if (_vocabulary.Has(id, TokenAttributes.StripsRight))
                    while (right < fragment.End && IsSpace(text[right])) right++;
                if (left > start) result.Add(new TextFragment(-1, start, left));
                result.Add(new TextFragment(id, left, right));
                start = right;
            }
            if (start < fragment.End) result.Add(fragment with { Start = start });
        }
        return result;
    }

    /// <summary>C's <c>isspace</c>.</summary>
    static bool IsSpace(byte value) => value is (byte)' ' or >= 9 and <= 13;
}
