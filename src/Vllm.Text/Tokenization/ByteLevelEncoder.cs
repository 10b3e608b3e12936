using Vllm.Text.Tokenization.Bpe;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.Patterns;
using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tokenization;

/// <summary>
/// The fast way through a byte-level tokenizer.json: words are cut out of the text's own bytes and merged, with no
/// copy, mapping or offset for a word. It exists for pre-tokenizers that are isolating splits at regular expressions
/// before <c>ByteLevel</c>.
/// </summary>
sealed class ByteLevelEncoder
{
    readonly ByteBpe _bpe;
    readonly Normalizer? _normalizer;
    readonly Splitter[] _splitters;
    readonly bool _addsPrefixSpace;
    readonly BpeWorkspacePool _workspaces = new();

    ByteLevelEncoder(ByteBpe bpe, Normalizer? normalizer, Splitter[] splitters, bool addsPrefixSpace)
    {
        _bpe = bpe;
        _normalizer = normalizer;
        _splitters = splitters;
        _addsPrefixSpace = addsPrefixSpace;
    }

    /// <summary>Null when the tokenizer is not of this kind.</summary>
    public static ByteLevelEncoder? TryCreate(BpeModel model, Normalizer? normalizer, PreTokenizer? preTokenizer)
    {
        IReadOnlyList<PreTokenizer> steps = preTokenizer switch
        {
            null => [],
            PreTokenizerSequence sequence => sequence.Steps,
            _ => [preTokenizer],
        };
        if (steps.Count == 0 || steps[^1] is not ByteLevelPreTokenizer byteLevel) return null;
        // A space before each piece, rather than before the text, is not worth a fast way.
        if (byteLevel.AddsPrefixSpace && steps.Count > 1) return null;
        var splitters = new List<Splitter>();
        foreach (PreTokenizer step in steps.SkipLast(1))
        {
            if (step is not SplitPreTokenizer { IsolatedRegex: { } regex }) return null;
            splitters.Add(SplitterCatalog.Create(regex, RegexFlavor.Oniguruma));
        }
        if (byteLevel.UsesRegex) splitters.Add(SplitterCatalog.Create(SplitterCatalog.Gpt2, RegexFlavor.Oniguruma));
        return model.CreateByteBpe() is { } bpe
            ? new ByteLevelEncoder(bpe, normalizer, [.. splitters], byteLevel.AddsPrefixSpace) : null;
    }

    /// <summary>Appends the ids of a text.</summary>
    public void Encode(ReadOnlySpan<byte> text, AddedTokens added, IdBuffer output)
    {
        BpeWorkspace workspace = _workspaces.Rent();
        int done = 0, start = 0;
        while (added.FindPlain(text, ref start, done, out AddedMatch match))
        {
            if (match.Start > done) EncodeRaw(text[done..match.Start], added, workspace, output);
            output.Add(match.Id);
            done = match.End;
        }
        if (done < text.Length) EncodeRaw(text[done..], added, workspace, output);
        _workspaces.Return(workspace);
    }

    /// <summary>Text between added tokens, not yet normalized.</summary>
    void EncodeRaw(ReadOnlySpan<byte> text, AddedTokens added, BpeWorkspace workspace, IdBuffer output)
    {
        if (_normalizer is not null && !_normalizer.Keeps(text)) text = Normalize(text);
        int done = 0, start = 0;
        while (added.FindNormalized(text, ref start, done, out AddedMatch match))
        {
            if (match.Start > done) EncodeText(text[done..match.Start], workspace, output);
            output.Add(match.Id);
            done = match.End;
        }
        if (done < text.Length) EncodeText(text[done..], workspace, output);
    }

    void EncodeText(ReadOnlySpan<byte> text, BpeWorkspace workspace, IdBuffer output)
    {
        if (!_addsPrefixSpace || text[0] == ' ')
        {
            EncodeLevel(0, text, workspace, output);
            return;
        }
        byte[] prefixed = new byte[text.Length + 1];
        prefixed[0] = (byte)' ';
        text.CopyTo(prefixed.AsSpan(1));
        EncodeLevel(0, prefixed, workspace, output);
    }

    ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> text)
    {
        var normalized = new NormalizedText(text.ToArray(), text.Length);
        _normalizer!.Normalize(normalized);
        return normalized.Bytes;
    }

    /// <summary>Cuts the text with one splitter, and its pieces with the next.</summary>
    void EncodeLevel(int level, ReadOnlySpan<byte> text, BpeWorkspace workspace, IdBuffer output)
    {
        if (level == _splitters.Length)
        {
            _bpe.Encode(text, workspace, output);
            return;
        }
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
}
