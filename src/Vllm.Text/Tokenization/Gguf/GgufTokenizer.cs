using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary>A tokenizer in a GGUF file, with llama.cpp's rules (<c>llama_tokenize</c>, <c>llama_detokenize</c>): no
/// Unicode normalization, and special tokens found longest first.</summary>
sealed class GgufTokenizer : Tokenizer
{
    const string ModelKey = "tokenizer.ggml.model";
    const string PreKey = "tokenizer.ggml.pre";

    readonly GgufVocabulary _vocabulary;
    readonly GgufModel _model;
    readonly SpecialTokenPartition _partition;
    readonly bool _isByteLevel;
    readonly bool _addsSpacePrefix;
    readonly bool _addsEos;
    readonly bool _cleansSpaces;
    readonly byte[]?[] _pieces;     // filled when first asked for; racing threads write equal values

    GgufTokenizer(GgufMetadata metadata, bool isByteLevel)
    {
        _isByteLevel = isByteLevel;
        _vocabulary = new GgufVocabulary(metadata, isByteLevel);
        _partition = new SpecialTokenPartition(_vocabulary);
        _pieces = new byte[]?[_vocabulary.Count];

        GgufPreTokenizer? preTokenizer = isByteLevel ? FindPreTokenizer(metadata) : null;
        _cleansSpaces = preTokenizer?.CleansSpaces ?? false;
        _addsSpacePrefix = metadata.FindBool("tokenizer.ggml.add_space_prefix", !isByteLevel);
        AddsBos = metadata.FindBool("tokenizer.ggml.add_bos_token", preTokenizer?.AddsBos ?? true);
        _addsEos = metadata.FindBool("tokenizer.ggml.add_eos_token", false);
        // llama.cpp's defaults when the file is silent.
        BosTokenId = FindSpecialId(metadata, "bos", isByteLevel ? preTokenizer!.HasDefaultBos ? 11 : null : 1);
        EosTokenId = FindSpecialId(metadata, "eos", isByteLevel ? 11 : 2);
        if (AddsBos && BosTokenId is null) AddsBos = false;
        if (EosTokenId is null) _addsEos = false;

        int unknownId = FindSpecialId(metadata, "unknown", 0) ?? 0;
        _model = isByteLevel
            ? new GgufBpeModel(metadata, _vocabulary, preTokenizer!)
            : new GgufSpmModel(metadata, _vocabulary, _addsSpacePrefix, unknownId);
    }

    public static GgufTokenizer Create(IReadOnlyDictionary<string, object> metadata)
    {
        var keys = new GgufMetadata(metadata);
        return keys.FindString(ModelKey) switch
        {
            "gpt2" => new GgufTokenizer(keys, isByteLevel: true),
            "llama" => new GgufTokenizer(keys, isByteLevel: false),
            null => throw GgufMetadata.Fail(ModelKey, "is missing"),
            { } other => throw GgufMetadata.Fail(ModelKey, $"'{other}' is not supported"),
        };
    }

    public override int VocabSize => _vocabulary.Count;

    public override int? BosTokenId { get; }

    public override int? EosTokenId { get; }

    public override bool AddsBos { get; }

    internal override bool DecodesBytewise => true;

    static GgufPreTokenizer FindPreTokenizer(GgufMetadata metadata)
    {
        string? name = metadata.FindString(PreKey);
        return GgufPreTokenizer.Find(name) ?? throw GgufMetadata.Fail(PreKey, $"'{name}' is not known");
    }

    int? FindSpecialId(GgufMetadata metadata, string name, int? fallback)
    {
        int? id = metadata.FindInt($"tokenizer.ggml.{name}_token_id");
        if (id is null || id < 0 || id >= _vocabulary.Count) id = fallback;
        return id < _vocabulary.Count ? id : null;
    }

    public override int[] Encode(string text, bool addSpecialTokens = true, bool parseSpecial = true)
    {
        ReadOnlySpan<byte> utf8 = ToUtf8(text, out int length).AsSpan(0, length);
        var output = new IdBuffer(length / 4);
        if (addSpecialTokens && AddsBos) output.Add(BosTokenId!.Value);
        bool followsSpecial = true;
        foreach (TextFragment fragment in _partition.Split(utf8, parseSpecial))
        {
            if (fragment.IsText) _model.Encode(utf8[fragment.Start..fragment.End], followsSpecial, output);
            else output.Add(fragment.Id);
            followsSpecial = !fragment.IsText;
        }
        if (addSpecialTokens && _addsEos) output.Add(EosTokenId!.Value);
        return output.ToArray();
    }

    public override TokenEncoding EncodeWithOffsets(string text, string? pair = null, bool addSpecialTokens = true) =>
        throw new NotSupportedException("A tokenizer from a GGUF file keeps no offsets.");

    public override string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false) =>
        Encoding.UTF8.GetString(DecodeToBytes(ids, skipSpecialTokens));

    /// <summary>The bytes of ids, which need not be valid UTF-8.</summary>
    internal ReadOnlySpan<byte> DecodeToBytes(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var bytes = new List<byte>(ids.Length * 4);
        bool removesSpace = _addsSpacePrefix;
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> piece = skipSpecialTokens && IsSpecial(id) ? [] : TokenBytes(id);
            if (removesSpace && piece.StartsWith(" "u8)) piece = piece[1..];
            removesSpace = false;
            bytes.AddRange(piece);
        }
        Span<byte> text = CollectionsMarshal.AsSpan(bytes);
        return _cleansSpaces ? text[..GgufSpaces.Clean(text)] : text;
    }

    public override string? IdToToken(int id) => (uint)id < (uint)VocabSize ? _vocabulary.Tokens.GetText(id) : null;

    public override int? TokenToId(string token)
    {
        int id = _vocabulary.Tokens.Find(token);
        return (uint)id < (uint)VocabSize ? id : null;
    }

    public override bool IsSpecial(int id) =>
        (uint)id < (uint)VocabSize && _vocabulary.Has(id, TokenAttributes.Control | TokenAttributes.Unknown);

    public override bool IsAdded(int id) =>
        (uint)id < (uint)VocabSize
            && _vocabulary.Has(id, TokenAttributes.Control | TokenAttributes.Unknown | TokenAttributes.UserDefined);

    public override ReadOnlySpan<byte> TokenBytes(int id)
    {
        if ((uint)id >= (uint)VocabSize) return [];
        return _pieces[id] ??= MakePiece(id);
    }

    byte[] MakePiece(int id)
    {
        string text = _vocabulary.Tokens.GetText(id);
        if (_vocabulary.Has(id, TokenAttributes.Control | TokenAttributes.Unknown | TokenAttributes.UserDefined))
            return Encoding.UTF8.GetBytes(text);
        if (_vocabulary.Has(id, TokenAttributes.Normal))
            return _isByteLevel ? DecodeAlphabet(text) : Encoding.UTF8.GetBytes(text.Replace('▁', ' '));
        if (_vocabulary.Has(id, TokenAttributes.Byte) && text.Length >= 5
            && byte.TryParse(text.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out byte value))
            return [value];
        return [];
    }

    /// <summary>The bytes of text in the byte alphabet; other characters are spelled out, as llama.cpp does.</summary>
    static byte[] DecodeAlphabet(string text)
    {
        var bytes = new List<byte>(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            int value = ByteAlphabet.ToByte(rune.Value);
            if (value >= 0) bytes.Add((byte)value);
            else
            {
                byte[] utf8 = Encoding.UTF8.GetBytes(rune.ToString());
                bytes.AddRange(Encoding.UTF8.GetBytes($"[UNK_BYTE_0x{Convert.ToHexStringLower(utf8)}{text}]"));
            }
        }
        return [.. bytes];
    }
}
