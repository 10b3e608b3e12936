using System.Buffers;

namespace Vllm.Text.Tokenization;

/// <summary>The texts of special tokens as a tree of bytes.</summary>
sealed class TokenTrie
{
    readonly Dictionary<(int Node, byte Value), int> _children = [];
    readonly List<int> _tokenAt = [-1];      // by node: index of the token that ends there
    readonly SearchValues<byte> _firstBytes;
    readonly int _numTokens;

    /// <summary>Of equal texts the first counts. Empty texts are never found.</summary>
    public TokenTrie(IReadOnlyList<byte[]> texts)
    {
        _numTokens = texts.Count;
        for (int i = 0; i < texts.Count; i++) Add(texts[i], i);
        _firstBytes = SearchValues.Create([.. texts.Where(t => t.Length > 0).Select(t => t[0]).Distinct()]);
    }

    void Add(byte[] text, int token)
    {
        int node = 0;
        foreach (byte value in text)
        {
            if (!_children.TryGetValue((node, value), out int child))
            {
                child = _tokenAt.Count;
                _tokenAt.Add(-1);
                _children.Add((node, value), child);
            }
            node = child;
        }
        if (node != 0 && _tokenAt[node] < 0) _tokenAt[node] = token;
    }

    /// <summary>The leftmost token at or after <paramref name="start"/>, the longest of those that begin
    /// there.</summary>
    public bool Find(ReadOnlySpan<byte> text, int start, out int tokenStart, out int length, out int token)
    {
        for (tokenStart = start; tokenStart < text.Length; tokenStart++)
        {
            int skipped = text[tokenStart..].IndexOfAny(_firstBytes);
            if (skipped < 0) break;
            tokenStart += skipped;
            if (FindAt(text[tokenStart..], out length, out token)) return true;
        }
        (tokenStart, length, token) = (-1, 0, -1);
        return false;
    }

    bool FindAt(ReadOnlySpan<byte> text, out int length, out int token)
    {
        (length, token) = (0, -1);
        int node = 0;
        for (int i = 0; i < text.Length && _children.TryGetValue((node, text[i]), out node); i++)
            if (_tokenAt[node] >= 0) (length, token) = (i + 1, _tokenAt[node]);
        return token >= 0;
    }

    /// <summary>The tokens that stand anywhere in the text, overlapping or not, in the order they were given.</summary>
    public List<int> FindOccurring(ReadOnlySpan<byte> text)
    {
        var occurring = new List<int>();
        bool[]? seen = null;
        for (int start = 0; start < text.Length; start++)
        {
            int skipped = text[start..].IndexOfAny(_firstBytes);
            if (skipped < 0) break;
            start += skipped;
            int node = 0;
            for (int i = start; i < text.Length && _children.TryGetValue((node, text[i]), out node); i++)
            {
                int token = _tokenAt[node];
                if (token < 0 || (seen ??= new bool[_numTokens])[token]) continue;
                seen[token] = true;
                occurring.Add(token);
            }
        }
        occurring.Sort();
        return occurring;
    }
}
