using System.Text;
using System.Text.Json;
using Vllm.Text.Tokenization.Bpe;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Json;

/// <summary>
/// Reads the <c>model</c> object of a BPE tokenizer.json as a stream: the hundreds of thousands of tokens and merges
/// become table entries without a string or JSON node for each.
/// </summary>
sealed class BpeReader(string file)
{
    readonly Dictionary<string, JsonElement> _settings = [];
    /// <summary>Tables start no larger than this whatever the file's size suggests; they grow.</summary>
    const int MaxExpected = 1 << 20;

    long _vocabularyStart = -1, _mergesStart = -1, _mergesEnd;
    readonly HashSet<int> _joinedToMarks = [];
    int _lastMerged = -1;
    byte[] _left = new byte[256];
    byte[] _merged = new byte[512];

    /// <summary>Whether <see cref="FindParts"/> has seen a model.</summary>
    public bool HasModel { get; private set; }

    /// <summary>Reads what <see cref="FindParts"/> found in <paramref name="json"/>, the whole file.
    /// <paramref name="isByteLevel"/>: the file has a byte-level step, so tokens are in the byte alphabet.</summary>
    public BpeModel Read(ReadOnlySpan<byte> json, bool isByteLevel)
    {
        // Files from before tokenizers 0.8 name no type.
        if (FindString("type") is { } type and not "BPE") throw Fail("type", $"'{type}' is not supported");
        Vocabulary vocabulary = ReadVocabulary(json, isByteLevel);
        string prefix = FindString("continuing_subword_prefix") ?? "";
        var options = new BpeOptions
        {
            UnknownToken = FindString("unk_token"),
            ContinuingSubwordPrefix = prefix,
            EndOfWordSuffix = FindString("end_of_word_suffix") ?? "",
            FusesUnknown = FindBool("fuse_unk"),
            FallsBackToBytes = FindBool("byte_fallback"),
            IgnoresMerges = FindBool("ignore_merges"),
        };
        MergeTable merges = ReadMerges(json, vocabulary, Encoding.UTF8.GetByteCount(prefix));
        return new BpeModel(vocabulary, merges, options, _joinedToMarks);
    }

    /// <summary>Takes the reader through the model object. Vocabulary and merges come in any order, before or after the
    /// steps that decide how tokens are written, and merges need the vocabulary: for now their places are
    /// noted.</summary>
    public void FindParts(ref Utf8JsonReader reader)
    {
        HasModel = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == "vocab") _vocabularyStart = reader.TokenStartIndex;
            else if (name == "merges") _mergesStart = reader.TokenStartIndex;
            else
            {
                _settings[name] = JsonElement.ParseValue(ref reader);
                continue;
            }
            reader.Skip();
            if (name == "merges") _mergesEnd = reader.TokenStartIndex;
        }
    }

    Vocabulary ReadVocabulary(ReadOnlySpan<byte> json, bool isByteLevel)
    {
        if (_vocabularyStart < 0) throw Fail("vocab", "is missing");
        var reader = new Utf8JsonReader(json[(int)_vocabularyStart..]);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw Fail("vocab", "expected an object of tokens and ids");
        // Rough: a token with its id takes some 16 bytes of JSON.
        var vocabulary = new Vocabulary(isByteLevel,
            (int)Math.Min(1 << 18, (json.Length - _vocabularyStart) / 32 + 256));
        byte[] buffer = new byte[256];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int length = CopyString(ref reader, ref buffer);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0)
                throw Fail($"vocab.{Encoding.UTF8.GetString(buffer.AsSpan(0, length))}", "expected an id");
            // The tables are as long as the highest id; a token takes more than a byte of JSON.
            if (id >= json.Length)
                throw Fail($"vocab.{Encoding.UTF8.GetString(buffer.AsSpan(0, length))}", $"id {id} is far beyond the vocabulary");
            if (vocabulary.Contains(id))
                throw Fail($"vocab.{Encoding.UTF8.GetString(buffer.AsSpan(0, length))}", $"id {id} is taken");
            vocabulary.TryAdd(buffer.AsSpan(0, length), id);
        }
        return vocabulary;
    }

    MergeTable ReadMerges(ReadOnlySpan<byte> json, Vocabulary vocabulary, int prefixLength)
    {
        if (_mergesStart < 0) throw Fail("merges", "is missing");
        var reader = new Utf8JsonReader(json[(int)_mergesStart..]);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) throw Fail("merges", "expected a list");
        // Rough: a merge takes some 16 bytes of JSON or more.
        var merges = new MergeTable((int)Math.Min(MaxExpected, (_mergesEnd - _mergesStart) / 16));
        byte[] right = new byte[256];
        int rank = 0, index = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            ReadOnlySpan<byte> leftText, rightText;
            if (reader.TokenType == JsonTokenType.String)
            {
                // The older form: both in one string, with a space between.
                int length = CopyString(ref reader, ref _left);
                ReadOnlySpan<byte> line = _left.AsSpan(0, length);
                if (line.StartsWith("#version"u8)) continue;
                int space = line.IndexOf((byte)' ');
                if (space < 0 || line[(space + 1)..].Contains((byte)' '))
                    throw Fail($"merges[{index}]", "expected two tokens");
                leftText = line[..space];
                rightText = line[(space + 1)..];
            }
            else
            {
                (int leftLength, int rightLength) = ReadPair(ref reader, ref right, index);
                leftText = _left.AsSpan(0, leftLength);
                rightText = right.AsSpan(0, rightLength);
            }
            AddMerge(merges, vocabulary, leftText, rightText, prefixLength, rank++, index++);
        }
        return merges;
    }

    (int, int) ReadPair(ref Utf8JsonReader reader, ref byte[] right, int index)
    {
        if (reader.TokenType != JsonTokenType.StartArray || !reader.Read() || reader.TokenType != JsonTokenType.String)
            throw Fail($"merges[{index}]", "expected a pair of tokens");
        int leftLength = CopyString(ref reader, ref _left);
        if (!reader.Read() || reader.TokenType != JsonTokenType.String)
            throw Fail($"merges[{index}]", "expected a pair of tokens");
        int rightLength = CopyString(ref reader, ref right);
        if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            throw Fail($"merges[{index}]", "expected a pair of tokens");
        return (leftLength, rightLength);
    }

    void AddMerge(
        MergeTable merges, Vocabulary vocabulary, ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int prefixLength,
            int rank, int index)
    {
        // The merged token has the prefix of its left part only.
        ReadOnlySpan<byte> tail = right[Math.Min(prefixLength, right.Length)..];
        if (left.Length + tail.Length > _merged.Length) _merged = new byte[left.Length + tail.Length];
        left.CopyTo(_merged);
        tail.CopyTo(_merged.AsSpan(left.Length));
        ReadOnlySpan<byte> merged = _merged.AsSpan(0, left.Length + tail.Length);
        if (right.StartsWith(BpeModel.Mark) && !left.EndsWith(BpeModel.Mark))
            _joinedToMarks.Add(CodePoints.DecodeLast(left, left.Length, out _));
        // Of a merge that is listed twice the last counts.
        // Merges are mostly in the order of the tokens that they make, often several for one token.
        _lastMerged = Find(merged, vocabulary.Contains(_lastMerged + 1) ? _lastMerged + 1 : _lastMerged);
        merges.Add(Find(left), Find(right), rank, _lastMerged, replaces: true);

        int Find(ReadOnlySpan<byte> token, int guess = -1)
        {
            int id = vocabulary.Find(token, guess);
            return id >= 0 ? id
                : throw Fail($"merges[{index}]", $"token '{Encoding.UTF8.GetString(token)}' is not in the vocabulary");
        }
    }

    static int CopyString(ref Utf8JsonReader reader, ref byte[] buffer)
    {
        // Unescaped text is never longer than its JSON form.
        if (reader.ValueSpan.Length > buffer.Length) buffer = new byte[reader.ValueSpan.Length * 2];
        return reader.CopyString(buffer);
    }

    string? FindString(string name) => Setting(name) is { } key ? key.AsString() : null;

    bool FindBool(string name) => Setting(name)?.AsBool() ?? false;

    JsonKey? Setting(string name) =>
        _settings.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? new JsonKey(file, "model." + name, value)
            : null;

    TokenizerLoadException Fail(string key, string problem) => new(file, "model." + key, problem);
}
