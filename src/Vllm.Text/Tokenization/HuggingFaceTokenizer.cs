using System.Runtime.InteropServices;
using System.Text;
using Vllm.Text.Tokenization.Bpe;
using Vllm.Text.Tokenization.Decoders;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.PostProcessors;
using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tokenization;

/// <summary>
/// A tokenizer.json with the rules of Hugging Face tokenizers. Encoding: 1. added tokens are cut out of the text;
/// 2. what lies between is normalized, and added tokens that ask for it are cut out of that; 3. the pre-tokenizer cuts
/// the rest into pieces; 4. the model turns each piece into tokens; 5. the post-processor adds special tokens.
/// <see cref="ByteLevelEncoder"/> does steps 2 to 4 at once where it can.
/// </summary>
sealed class HuggingFaceTokenizer : Tokenizer
{
    readonly BpeModel _model;
    readonly Normalizer? _normalizer;
    readonly PreTokenizer? _preTokenizer;
    readonly PostProcessor? _postProcessor;
    readonly TokenDecoder? _decoder;
    readonly AddedTokens _added;
    readonly ByteLevelEncoder? _byteLevel;
    readonly BpeWorkspacePool _workspaces = new();
    readonly (int[] Before, int[] After)? _specialIds;
    readonly byte[]?[] _bytes;     // filled when first asked for; racing threads write equal values

    public HuggingFaceTokenizer(
        BpeModel model, Normalizer? normalizer, PreTokenizer? preTokenizer, PostProcessor? postProcessor,
            TokenDecoder? decoder,
        AddedTokens added)
    {
        _model = model;
        _normalizer = normalizer;
        _preTokenizer = preTokenizer;
        _postProcessor = postProcessor;
        _decoder = decoder;
        _added = added;
        _byteLevel = ByteLevelEncoder.TryCreate(model, normalizer, preTokenizer);
        _specialIds = FindSpecialIds(postProcessor);
        VocabSize = model.Vocabulary.Count + added.CountBeyond(model.Vocabulary);
        _bytes = new byte[]?[Math.Max(model.Vocabulary.IdLimit, added.IdLimit)];
        DecodesBytewise = decoder is ByteLevelDecoder || decoder is DecoderSequence { Steps: [ByteLevelDecoder] };
    }

    public override int VocabSize { get; }

    internal override bool DecodesBytewise { get; }

    /// <summary>What the post-processor puts around one text, found by giving it a marked token; null when the text
    /// does not come out exactly once.</summary>
    static (int[], int[])? FindSpecialIds(PostProcessor? postProcessor)
    {
        const int Mark = -1;
        var sequence = new EncodedSequence();
        sequence.Tokens.Add(new EncodedToken(Mark, "", 0, 0));
        List<EncodedSequence> processed = PostProcessor.Run(postProcessor, [sequence], addsSpecialTokens: true);
        List<int> ids = [.. processed.SelectMany(s => s.Tokens).Select(t => t.Id)];
        int place = ids.IndexOf(Mark);
        if (place < 0 || ids.LastIndexOf(Mark) != place) return null;
        return ([.. ids[..place]], [.. ids[(place + 1)..]]);
    }

    public override int[] Encode(string text, bool addSpecialTokens = true, bool parseSpecial = true)
    {
        if (_specialIds is not { } special) return [.. EncodeWithOffsets(text, null, addSpecialTokens).Ids];
        byte[] utf8 = ToUtf8(text, out int length);
        var output = new IdBuffer(length / 4 + special.Before.Length + special.After.Length);
        if (addSpecialTokens) output.AddRange(special.Before);
        if (_byteLevel is not null) _byteLevel.Encode(utf8.AsSpan(0, length), _added, output);
        else EncodeByPieces(utf8, length, output);
        if (addSpecialTokens) output.AddRange(special.After);
        return output.ToArray();
    }

    void EncodeByPieces(byte[] utf8, int length, IdBuffer output)
    {
        BpeWorkspace workspace = _workspaces.Rent();
        foreach (TextPiece piece in CutIntoPieces(utf8, length).Pieces)
        {
            if (piece.TokenId >= 0)
            {
                output.Add(piece.TokenId);
                continue;
            }
            _model.Tokenize(piece.Text.Bytes, workspace.Symbols);
            output.AddRange(workspace.Symbols.Ids);
        }
        _workspaces.Return(workspace);
    }

    PreTokenizedText CutIntoPieces(byte[] utf8, int length)
    {
        var text = new PreTokenizedText(new NormalizedText(utf8, length));
        _added.Extract(text, _normalizer);
        _preTokenizer?.PreTokenize(text);
        return text;
    }

    public override TokenEncoding EncodeWithOffsets(string text, string? pair = null, bool addSpecialTokens = true)
    {
        List<EncodedSequence> sequences = [EncodeSequence(text)];
        if (pair is not null) sequences.Add(EncodeSequence(pair));
        List<EncodedToken> tokens =
            [.. PostProcessor.Run(_postProcessor, sequences, addSpecialTokens).SelectMany(s => s.Tokens)];
        return new TokenEncoding
        {
            Ids = [.. tokens.Select(t => t.Id)],
            Tokens = [.. tokens.Select(t => t.Text)],
            Offsets = [.. tokens.Select(t => (t.Start, t.End))],
            TypeIds = [.. tokens.Select(t => t.TypeId)],
            SpecialTokensMask = [.. tokens.Select(t => t.IsSpecial ? 1 : 0)],
            SequenceIds = [.. tokens.Select(t => t.Sequence)],
        };
    }

    EncodedSequence EncodeSequence(string text)
    {
        byte[] utf8 = ToUtf8(text, out int length);
        var offsets = new CodePointOffsets(utf8.AsSpan(0, length));
        var result = new EncodedSequence();
        BpeWorkspace workspace = _workspaces.Rent();
        foreach (TextPiece piece in CutIntoPieces(utf8, length).Pieces)
        {
            if (piece.TokenId >= 0)
            {
                Add(piece.TokenId, piece.Text.Text, piece.Text.ToOriginal(0, piece.Text.Length));
                continue;
            }
            _model.Tokenize(piece.Text.Bytes, workspace.Symbols);
            int start = 0;
            for (int i = 0; i < workspace.Symbols.Count; i++)
            {
                int end = start + workspace.Symbols.Sizes[i];
                int id = workspace.Symbols.Ids[i];
                Add(id, _model.Vocabulary.GetText(id), piece.Text.ToOriginal(start, end));
                start = end;
            }
        }
        _workspaces.Return(workspace);
        return result;

        void Add(int id, string token, ByteRange range)
        {
            (int from, int to) = offsets.Convert(range);
            result.Tokens.Add(new EncodedToken(id, token, from, to));
        }
    }

    public override string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        if (DecodesBytewise) return DecodeBytes(ids, skipSpecialTokens);
        var tokens = new List<string>(ids.Length);
        foreach (int id in ids)
            if (!(skipSpecialTokens && IsSpecial(id)) && IdToToken(id) is { } token) tokens.Add(token);
        if (_decoder is null) return string.Join(' ', tokens);
        _decoder.Decode(tokens);
        return string.Concat(tokens);
    }

    string DecodeBytes(ReadOnlySpan<int> ids, bool skipsSpecial)
    {
        var bytes = new List<byte>(ids.Length * 4);
        foreach (int id in ids)
            if (!skipsSpecial || !IsSpecial(id)) bytes.AddRange(TokenBytes(id));
        return Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes));
    }

    public override string? IdToToken(int id) =>
        _added.FindText(id) ?? (_model.Vocabulary.Contains(id) ? _model.Vocabulary.GetText(id) : null);

    public override int? TokenToId(string token)
    {
        if (_added.TryGetId(token, out int id)) return id;
        id = _model.Vocabulary.Find(token);
        return id >= 0 ? id : null;
    }

    public override bool IsSpecial(int id) => _added.IsSpecial(id);

    public override bool IsAdded(int id) => _added.Contains(id);

    public override ReadOnlySpan<byte> TokenBytes(int id)
    {
        if ((uint)id >= (uint)_bytes.Length) return [];
        return _bytes[id] ??= MakeBytes(id);
    }

    byte[] MakeBytes(int id)
    {
        if (IdToToken(id) is not { } token) return [];
        if (DecodesBytewise) return ByteLevelDecoder.BytesOf(token);
        if (_decoder is null) return Encoding.UTF8.GetBytes(token);
        if (ByteFallbackDecoder.TryParse(token, out byte value) && FallsBackToBytes(_decoder)) return [value];
        // In the middle of a text: after another token, whose text is taken away again.
        List<string> tokens = ["a", token, "a"];
        _decoder.Decode(tokens);
        string text = string.Concat(tokens);
        return Encoding.UTF8.GetBytes(text.StartsWith('a') && text.EndsWith('a') && text.Length >= 2 ? text[1..^1]
            : text);
    }

    static bool FallsBackToBytes(TokenDecoder decoder) =>
        decoder is ByteFallbackDecoder || decoder is DecoderSequence { Steps: var steps }
            && steps.Any(FallsBackToBytes);
}
