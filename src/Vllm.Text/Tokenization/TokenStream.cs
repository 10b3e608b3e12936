using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace Vllm.Text.Tokenization;

/// <summary>Decodes ids one at a time with the results of tokenizers' <c>DecodeStream</c>.</summary>
abstract class TokenStream
{
    public static TokenStream Create(Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipsSpecial) =>
        tokenizer.DecodesBytewise
            ? new ByteTokenStream(tokenizer, promptIds, skipsSpecial)
            : new WindowTokenStream(tokenizer, promptIds, skipsSpecial);

    /// <summary>The text that the id makes certain; empty while a character is unfinished.</summary>
    public abstract string Step(int id);
}

/// <summary>For tokenizers that decode by joining bytes: only the bytes not yet shown are kept.</summary>
sealed class ByteTokenStream : TokenStream
{
    readonly Tokenizer _tokenizer;
    readonly bool _skipsSpecial;
    byte[] _pending = new byte[16];
    int _length;

    public ByteTokenStream(Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipsSpecial)
    {
        _tokenizer = tokenizer;
        _skipsSpecial = skipsSpecial;
        if (EndsInsideCharacter(promptIds))
        {
            // DecodeStream then has no text to begin after, and gives the prompt's text with the first complete one.
            foreach (int id in promptIds) Append(id);
        }
    }

    /// <summary>Looks at the last bytes only: prompts are long.</summary>
    bool EndsInsideCharacter(ReadOnlySpan<int> promptIds)
    {
        Span<byte> tail = stackalloc byte[4];
        int free = tail.Length;
        for (int i = promptIds.Length - 1; i >= 0 && free > 0; i--)
        {
            ReadOnlySpan<byte> bytes = Bytes(promptIds[i]);
            int count = Math.Min(free, bytes.Length);
            bytes[^count..].CopyTo(tail[(free - count)..]);
            free -= count;
        }
        return free < tail.Length && !EndsWithCharacter(tail[free..]);
    }

    public override string Step(int id)
    {
        Append(id);
        ReadOnlySpan<byte> pending = _pending.AsSpan(0, _length);
        if (_length == 0 || !EndsWithCharacter(pending)) return "";
        _length = 0;
        return Encoding.UTF8.GetString(pending);
    }

    ReadOnlySpan<byte> Bytes(int id) => _skipsSpecial && _tokenizer.IsSpecial(id) ? [] : _tokenizer.TokenBytes(id);

    void Append(int id)
    {
        ReadOnlySpan<byte> bytes = Bytes(id);
        if (_length + bytes.Length > _pending.Length)
            Array.Resize(ref _pending, Math.Max(_pending.Length * 2, _length + bytes.Length));
        bytes.CopyTo(_pending.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>Whether the text of these bytes ends with a character other than U+FFFD.</summary>
    static bool EndsWithCharacter(ReadOnlySpan<byte> bytes) =>
        Rune.DecodeLastFromUtf8(bytes, out Rune last, out _) == OperationStatus.Done && last != Rune.ReplacementChar;
}

/// <summary>For other decoders: the ids since the last text but one are decoded again with each new id, so that the
/// decoder sees a neighbour on the left.</summary>
sealed class WindowTokenStream : TokenStream
{
    const char Replacement = '\uFFFD';

    readonly Tokenizer _tokenizer;
    readonly bool _skipsSpecial;
    readonly List<int> _ids;
    string _prefix = "";        // text of the first _prefixCount ids
    int _prefixCount;

    public WindowTokenStream(Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipsSpecial)
    {
        _tokenizer = tokenizer;
        _skipsSpecial = skipsSpecial;
        _ids = [.. promptIds];
    }

    public override string Step(int id)
    {
        if (_prefix.Length == 0 && _ids.Count > 0) StartAfterIds();
        if (LeavesNoText(id)) return "";
        _ids.Add(id);
        string text = Decode();
        bool extendsPrefix = text.StartsWith(_prefix, StringComparison.Ordinal);
        bool isLonger = extendsPrefix ? text.Length > _prefix.Length : Utf8Length(text) > Utf8Length(_prefix);
        if (!isLonger || text[^1] == Replacement) return "";
        if (!extendsPrefix) return Restart(id);

        string added = text[_prefix.Length..];
        int numNew = _ids.Count - _prefixCount;
        _ids.RemoveRange(0, _prefixCount);
        _prefix = Decode();
        _prefixCount = numNew;
        return added;
    }

    /// <summary>An id that decoding skips changes nothing, and must not make the window grow.</summary>
    bool LeavesNoText(int id) => _tokenizer.IdToToken(id) is null || _skipsSpecial && _tokenizer.IsSpecial(id);

    void StartAfterIds()
    {
        string text = Decode();
        if (text.EndsWith(Replacement)) return;
        _prefix = text;
        _prefixCount = _ids.Count;
    }

    /// <summary>What was shown is no beginning of the text any more (invalid bytes can do that): vLLM then starts a new
    /// stream with this id.</summary>
    string Restart(int id)
    {
        _ids.Clear();
        _prefix = "";
        _prefixCount = 0;
        _ids.Add(id);
        string text = Decode();
        if (text.Length == 0 || text[^1] == Replacement) return "";
        _prefix = text;
        _prefixCount = 1;
        return text;
    }

    static int Utf8Length(string text) => Encoding.UTF8.GetByteCount(text);

    string Decode() => _tokenizer.Decode(CollectionsMarshal.AsSpan(_ids), _skipsSpecial);
}
