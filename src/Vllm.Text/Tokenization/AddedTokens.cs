using System.Text;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.PreTokenizers;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization;

/// <summary>A token that is found in the text before the model sees it.</summary>
/// <param name="Content">Its text.</param>
/// <param name="IsSingleWord">Only where no word character touches it.</param>
/// <param name="StripsLeft">Takes the white space before it along.</param>
/// <param name="StripsRight">Takes the white space after it along.</param>
/// <param name="IsNormalized">Looked for in the normalized text, in its own normalized form.</param>
/// <param name="IsSpecial">Left out when special tokens are skipped.</param>
sealed record AddedToken(string Content, bool IsSingleWord, bool StripsLeft, bool StripsRight, bool IsNormalized,
    bool IsSpecial);

/// <summary>The added tokens of a tokenizer.json, with the ids that tokenizers gives them, and how they are
/// found.</summary>
sealed class AddedTokens
{
    readonly Dictionary<string, int> _ids = [];
    readonly Dictionary<int, AddedToken> _byId = [];
    readonly Dictionary<int, string> _decoded = [];
    readonly HashSet<string> _special = [];
    readonly Matcher _plain, _normalized;

    public AddedTokens(IReadOnlyList<AddedToken> tokens, Vocabulary vocabulary, Normalizer? normalizer)
    {
        var ordered = new List<AddedToken>();
        foreach (AddedToken token in tokens)
            if (token.IsSpecial && token.Content.Length > 0 && _special.Add(token.Content)) ordered.Add(token);
        int maxId = -1;
        var present = new HashSet<AddedToken>();
        foreach (AddedToken token in tokens)
        {
            if (token.Content.Length == 0 || !present.Add(token)) continue;
            int id = IdFor(token.Content, vocabulary, maxId);
            maxId = Math.Max(maxId, id);
            _ids[token.Content] = id;
            if (_byId.TryGetValue(id, out AddedToken? replaced)) present.Remove(replaced);
            _byId[id] = token;
            _decoded[id] = token.IsNormalized ? Encoding.UTF8.GetString(Normalize(token.Content, normalizer))
                : token.Content;
            if (!_special.Contains(token.Content)) ordered.Add(token);
        }
        _plain = new Matcher(this, ordered.FindAll(t => !t.IsNormalized), null);
        _normalized = new Matcher(this, ordered.FindAll(t => t.IsNormalized), normalizer);
    }

    /// <summary>One above the highest id.</summary>
    public int IdLimit => _byId.Count == 0 ? 0 : _byId.Keys.Max() + 1;

    public int CountBeyond(Vocabulary vocabulary) => _byId.Keys.Count(id => !vocabulary.Contains(id));

    public bool TryGetId(string content, out int id) => _ids.TryGetValue(content, out id);

    public bool Contains(int id) => _byId.ContainsKey(id);

    /// <summary>The token's text when it is decoded: a token that is looked for in normalized text comes out in its
    /// normalized form. Null for other ids.</summary>
    public string? FindText(int id) => _decoded.GetValueOrDefault(id);

    /// <summary>By the decoded text, as in tokenizers: a special token that normalization changes is not
    /// skipped.</summary>
    public bool IsSpecial(int id) => _decoded.TryGetValue(id, out string? text) && _special.Contains(text);

    /// <summary>The next added token of unnormalized text at or after <paramref name="start"/>, which moves behind it;
    /// <paramref name="done"/>: where the token before ended, with the white space that it took.</summary>
    public bool FindPlain(ReadOnlySpan<byte> text, ref int start, int done, out AddedMatch match) =>
        _plain.Next(text, ref start, done, out match);

    /// <summary>As <see cref="FindPlain"/>, for the tokens that are looked for in normalized text.</summary>
    public bool FindNormalized(ReadOnlySpan<byte> text, ref int start, int done, out AddedMatch match) =>
        _normalized.Next(text, ref start, done, out match);

    /// <summary>Cuts added tokens out, normalizing the text between them on the way.</summary>
    public void Extract(PreTokenizedText text, Normalizer? normalizer)
    {
        text.Split(_plain.Split);
        text.Split((piece, parts) =>
        {
            normalizer?.Normalize(piece);
            _normalized.Split(piece, parts);
        });
    }

    static byte[] Normalize(string content, Normalizer? normalizer)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(content);
        var text = new NormalizedText(utf8, utf8.Length);
        normalizer?.Normalize(text);
        return text.Bytes.ToArray();
    }

    /// <summary>A token of the model keeps its id; others are numbered after the model's, whatever id the file
    /// says.</summary>
    int IdFor(string content, Vocabulary vocabulary, int maxId)
    {
        if (_ids.TryGetValue(content, out int id) || (id = vocabulary.Find(content)) >= 0) return id;
        return maxId >= vocabulary.Count || vocabulary.Count == 0 && maxId >= 0 ? maxId + 1 : vocabulary.Count;
    }

    /// <summary>Finds one group of tokens, from left to right, the longest first.</summary>
    sealed class Matcher
    {
        readonly TokenTrie _trie;
        readonly int[] _idOf;
        readonly AddedTokens _owner;

        public Matcher(AddedTokens owner, List<AddedToken> tokens, Normalizer? normalizer)
        {
            _owner = owner;
            _idOf = [.. tokens.Select(t => owner._ids[t.Content])];
            _trie = new TokenTrie([.. tokens.Select(t => Normalize(t.Content, normalizer))]);
        }

        public bool Next(ReadOnlySpan<byte> text, ref int start, int done, out AddedMatch match)
        {
            while (_idOf.Length > 0 && _trie.Find(text, start, out int from, out int length, out int index))
            {
                int to = start = from + length;
                AddedToken token = _owner._byId[_idOf[index]];
                if (token.IsSingleWord && (EndsWithWord(text[..from]) || StartsWithWord(text[to..]))) continue;
                if (token.StripsLeft)
                    while (from > done && CodePoints.IsWhiteSpace(CodePoints.DecodeLast(text, from, out int size)))
                        from -= size;
                if (token.StripsRight)
                    while (to < text.Length && CodePoints.IsWhiteSpace(CodePoints.Decode(text, to, out int size)))
                        to += size;
                match = new AddedMatch(_idOf[index], from, to);
                return true;
            }
            match = default;
            return false;
        }

        public void Split(NormalizedText piece, List<TextPiece> parts)
        {
            ReadOnlySpan<byte> text = piece.Bytes;
            int done = 0, start = 0;
            while (Next(text, ref start, done, out AddedMatch match))
            {
                if (match.Start > done) parts.Add(new TextPiece(piece.Slice(done, match.Start)));
                parts.Add(new TextPiece(piece.Slice(match.Start, match.End), match.Id));
                done = match.End;
            }
            if (done < text.Length) parts.Add(new TextPiece(piece.Slice(done, text.Length)));
        }

        static bool EndsWithWord(ReadOnlySpan<byte> text) =>
            text.Length > 0 && IsWord(CodePoints.DecodeLast(text, text.Length, out _));

        static bool StartsWithWord(ReadOnlySpan<byte> text) =>
            text.Length > 0 && IsWord(CodePoints.Decode(text, 0, out _));

        /// <summary><c>\w</c> of Rust's regex, which has the joiners too.</summary>
        static bool IsWord(int c) => UnicodeProperties.IsWord(c) || c is 0x200C or 0x200D;
    }
}

/// <summary>An added token in a text, with the white space that it takes along.</summary>
readonly record struct AddedMatch(int Id, int Start, int End);
