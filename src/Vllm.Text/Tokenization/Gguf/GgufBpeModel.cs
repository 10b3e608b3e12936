using System.Text;
using Vllm.Text.Tokenization.Bpe;
using Vllm.Text.Tokenization.Patterns;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary><c>tokenizer.ggml.model</c> = <c>gpt2</c>: words by the patterns of the pre-tokenizer, then byte-level
/// BPE.</summary>
sealed class GgufBpeModel : GgufModel
{
    const string MergesKey = "tokenizer.ggml.merges";

    readonly Splitter[] _splitters;
    readonly ByteBpe _bpe;
    readonly BpeWorkspacePool _workspaces = new();

    public GgufBpeModel(GgufMetadata metadata, GgufVocabulary vocabulary, GgufPreTokenizer preTokenizer)
    {
        string[] merges = metadata.GetStrings(MergesKey);
        var symbols = new SymbolTable(vocabulary);
        var table = new MergeTable(merges.Length);
        for (int rank = 0; rank < merges.Length; rank++) AddMerge(merges[rank], rank, symbols, table);

        int[] byteIds = new int[256];
        for (int value = 0; value < 256; value++) byteIds[value] = symbols.Get([ByteAlphabet.ToChar((byte)value)]);
        _bpe = new ByteBpe(vocabulary.Tokens, table, byteIds, preTokenizer.IgnoresMerges, vocabulary.Count,
            symbols.Expansions);
        _splitters = preTokenizer.CreateSplitters();
    }

    static void AddMerge(string merge, int rank, SymbolTable symbols, MergeTable table)
    {
        int space = merge.Length > 1 ? merge.IndexOf(' ', 1) : -1;
        if (space < 0) return;
        ReadOnlySpan<char> left = merge.AsSpan(0, space), right = merge.AsSpan(space + 1);
        Span<char> merged = merge.Length <= 256 ? stackalloc char[merge.Length - 1] : new char[merge.Length - 1];
        left.CopyTo(merged);
        right.CopyTo(merged[left.Length..]);
        // Of a merge that is listed twice the first counts.
        table.Add(symbols.Get(left), symbols.Get(right), rank, symbols.Get(merged), replaces: false);
    }

    public override void Encode(ReadOnlySpan<byte> text, bool followsSpecial, IdBuffer output)
    {
        BpeWorkspace workspace = _workspaces.Rent();
        EncodeLevel(0, text, workspace, output);
        _workspaces.Return(workspace);
    }

    void EncodeLevel(int level, ReadOnlySpan<byte> text, BpeWorkspace workspace, IdBuffer output)
    {
        Splitter splitter = _splitters[level];
        bool isLast = level == _splitters.Length - 1;
        for (int start = 0; start < text.Length;)
        {
            int end = splitter.PieceEnd(text, start);
            if (isLast) _bpe.Encode(text[start..end], workspace, output);
            else EncodeLevel(level + 1, text[start..end], workspace, output);
            start = end;
        }
    }

    /// <summary>llama.cpp merges texts, not ids, so a step may be no token. Such a text gets an id above the
    /// vocabulary; what is left of it in the end is written as those of its characters that are tokens.</summary>
    sealed class SymbolTable(GgufVocabulary vocabulary)
    {
        readonly List<int[]> _expansions = [];

        public IReadOnlyList<int[]> Expansions => _expansions;

        public int Get(ReadOnlySpan<char> text)
        {
            Span<byte> utf8 = text.Length <= 170 ? stackalloc byte[text.Length * 3] : new byte[text.Length * 3];
            utf8 = utf8[..Encoding.UTF8.GetBytes(text, utf8)];
            int id = vocabulary.Tokens.Find(utf8);
            if (id >= 0) return id;
            id = vocabulary.Count + _expansions.Count;
            vocabulary.Tokens.TryAdd(utf8, id);
            _expansions.Add(Expand(text));
            return id;
        }

        int[] Expand(ReadOnlySpan<char> text)
        {
            var ids = new List<int>();
            foreach (char c in text)
            {
                // llama.cpp looks up the single bytes of the text, which only an ASCII character is.
                int id = char.IsAscii(c) ? vocabulary.Tokens.Find([c]) : -1;
                if (id >= 0 && id < vocabulary.Count) ids.Add(id);
            }
            return [.. ids];
        }
    }
}
