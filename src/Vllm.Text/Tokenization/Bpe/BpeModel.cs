using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Bpe;

/// <summary>Settings of a BPE model in a tokenizer.json.</summary>
sealed record BpeOptions
{
    public string? UnknownToken { get; init; }

    /// <summary>Put before each character of a word but the first when it is looked up.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "";

    /// <summary>Put after the last character of a word when it is looked up.</summary>
    public string EndOfWordSuffix { get; init; } = "";

    /// <summary>Neighbouring unknown characters become one unknown token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Unknown characters become <c>&lt;0xNN&gt;</c> tokens, if all their bytes have one.</summary>
    public bool FallsBackToBytes { get; init; }

    /// <summary>A word that is a token is that token, whatever the merges give.</summary>
    public bool IgnoresMerges { get; init; }
}

/// <summary>A BPE model as tokenizers defines it, over the characters of a word.</summary>
sealed class BpeModel
{
    readonly MergeTable _merges;
    readonly BpeOptions _options;
    readonly byte[] _prefix, _suffix;
    readonly int _unknownId;
    readonly int[] _fallbackIds = new int[256];
    readonly bool _cutsBeforeMarks;
    readonly IReadOnlySet<int> _joinedToMarks;

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">Merges among them.</param>
    /// <param name="options">The rest of the file's settings.</param>
    /// <param name="joinedToMarks">The characters, other than ▁ (U+2581), that some merge joins to a following
    /// ▁.</param>
    public BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options, IReadOnlySet<int> joinedToMarks)
    {
        Vocabulary = vocabulary;
        _merges = merges;
        _options = options;
        _prefix = Encoding.UTF8.GetBytes(options.ContinuingSubwordPrefix);
        _suffix = Encoding.UTF8.GetBytes(options.EndOfWordSuffix);
        _unknownId = options.UnknownToken is { } unknown ? vocabulary.Find(unknown) : -1;
        for (int value = 0; value < 256; value++) _fallbackIds[value] = vocabulary.Find($"<0x{value:X2}>");
        // Where no merge reaches across the start of a word, words can be merged one by one: much faster than a whole
        // text at once, which is what models without a pre-tokenizer ask for, and equal.
        _joinedToMarks = joinedToMarks;
        _cutsBeforeMarks = _prefix.Length + _suffix.Length == 0 && vocabulary.Find(Mark) >= 0;
    }

    /// <summary>The space as SentencePiece writes it: ▁ (U+2581).</summary>
    public static ReadOnlySpan<byte> Mark => "▁"u8;

    public Vocabulary Vocabulary { get; }

    /// <summary>The same model over raw bytes; null unless it is byte-level, with a token for each byte and no
    /// affixes.</summary>
    public ByteBpe? CreateByteBpe()
    {
        if (!Vocabulary.IsByteLevel || _prefix.Length + _suffix.Length > 0) return null;
        int[] byteIds = new int[256];
        for (int value = 0; value < 256; value++)
        {
            byteIds[value] = Vocabulary.FindRaw([(byte)value]);
            if (byteIds[value] < 0) return null;
        }
        return new ByteBpe(Vocabulary, _merges, byteIds, _options.IgnoresMerges, Vocabulary.IdLimit, []);
    }

    /// <summary>Puts the tokens of a piece into <paramref name="symbols"/>.</summary>
    public void Tokenize(ReadOnlySpan<byte> piece, SymbolBuffer symbols)
    {
        symbols.Clear();
        if (_options.IgnoresMerges && Vocabulary.Find(piece) is >= 0 and int whole)
        {
            symbols.Add(whole, piece.Length);
            return;
        }
        while (_cutsBeforeMarks && WordEnd(piece) is var end && end < piece.Length)
        {
            AddWord(piece[..end], symbols);
            piece = piece[end..];
        }
        AddWord(piece, symbols);
    }

    /// <summary>Where the next mark stands that no merge can join to what is before it.</summary>
    int WordEnd(ReadOnlySpan<byte> piece)
    {
        for (int end = 0; ;)
        {
            while (piece[end..].StartsWith(Mark)) end += Mark.Length;
            int length = piece[end..].IndexOf(Mark);
            if (length < 0) return piece.Length;
            end += length;
            if (!_joinedToMarks.Contains(CodePoints.DecodeLast(piece, end, out _))) return end;
        }
    }

    void AddWord(ReadOnlySpan<byte> word, SymbolBuffer symbols)
    {
        int first = symbols.Count;
        AddCharacters(word, symbols);
        symbols.MergeAll(_merges, first);
    }

    void AddCharacters(ReadOnlySpan<byte> piece, SymbolBuffer symbols)
    {
        int unknownSize = 0;
        Span<byte> buffer = stackalloc byte[256];
        if (_prefix.Length + _suffix.Length + 4 > buffer.Length) buffer = new byte[_prefix.Length + _suffix.Length + 4];
        for (int i = 0, size; i < piece.Length; i += size)
        {
            CodePoints.Decode(piece, i, out size);
            ReadOnlySpan<byte> key =
                WithAffixes(piece.Slice(i, size), isFirst: i == 0, isLast: i + size == piece.Length, buffer);
            int id = Vocabulary.Find(key);
            if (id >= 0)
            {
                FlushUnknown(ref unknownSize, symbols);
                symbols.Add(id, size);
            }
            // As tokenizers has it, the bytes go before unknown characters that are still waiting to be fused.
            else if (!_options.FallsBackToBytes || !TryAddBytes(key, symbols))
                AddUnknown(size, ref unknownSize, symbols);
        }
        FlushUnknown(ref unknownSize, symbols);
    }

    ReadOnlySpan<byte> WithAffixes(ReadOnlySpan<byte> character, bool isFirst, bool isLast, Span<byte> buffer)
    {
        if ((isFirst || _prefix.Length == 0) && (!isLast || _suffix.Length == 0)) return character;
        int length = 0;
        if (!isFirst) Append(_prefix, buffer, ref length);
        Append(character, buffer, ref length);
        if (isLast) Append(_suffix, buffer, ref length);
        return buffer[..length];

        static void Append(ReadOnlySpan<byte> bytes, Span<byte> buffer, ref int length)
        {
            bytes.CopyTo(buffer[length..]);
            length += bytes.Length;
        }
    }

    bool TryAddBytes(ReadOnlySpan<byte> key, SymbolBuffer symbols)
    {
        foreach (byte value in key)
            if (_fallbackIds[value] < 0) return false;
        foreach (byte value in key) symbols.Add(_fallbackIds[value], 1);
        return true;
    }

    /// <summary>Without an unknown token the character vanishes, and the offsets after it move to the left.</summary>
    void AddUnknown(int size, ref int unknownSize, SymbolBuffer symbols)
    {
        if (_unknownId < 0) return;
        if (!_options.FusesUnknown) FlushUnknown(ref unknownSize, symbols);
        unknownSize += size;
    }

    void FlushUnknown(ref int unknownSize, SymbolBuffer symbols)
    {
        if (unknownSize == 0) return;
        symbols.Add(_unknownId, unknownSize);
        unknownSize = 0;
    }
}
