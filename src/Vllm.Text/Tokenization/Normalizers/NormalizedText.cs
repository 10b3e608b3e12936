using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Normalizers;

/// <summary>A code point of a transformed text, and how many code points of the old text it stands for.</summary>
/// <param name="Value">The new code point.</param>
/// <param name="Change">0: it replaces one old code point; -n: it replaces one, and the n after that are gone; 1: it is
/// inserted.</param>
readonly record struct CodePointChange(int Value, int Change);

/// <summary>Part of a text, in bytes.</summary>
readonly record struct ByteRange(int Start, int End);

/// <summary>
/// A text while normalizers and pre-tokenizers work on it: its UTF-8, and for each byte the range of the original text
/// that it came from. Slices share the buffers of the whole; a transformed slice gets buffers of its own. Follows
/// <c>NormalizedString</c> of tokenizers (tokenizers/src/tokenizer/normalizer.rs), so that odd offsets come out equal.
/// </summary>
sealed class NormalizedText
{
    byte[] _bytes;
    ByteRange[] _origins;   // one per byte of _bytes
    int _start;

    NormalizedText(byte[] bytes, ByteRange[] origins, int start, int length, ByteRange original)
    {
        _bytes = bytes;
        _origins = origins;
        _start = start;
        Length = length;
        Original = original;
    }

    /// <summary>An untouched text of <paramref name="length"/> bytes of valid UTF-8.</summary>
    public NormalizedText(byte[] utf8, int length)
        : this(utf8, MakeOrigins(utf8, length), 0, length, new ByteRange(0, length))
    {
    }

    public int Length { get; private set; }

    public bool IsEmpty => Length == 0;

    /// <summary>The part of the original text that this stands for.</summary>
    public ByteRange Original { get; }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(_start, Length);

    public string Text => Encoding.UTF8.GetString(Bytes);

    static ByteRange[] MakeOrigins(byte[] utf8, int length)
    {
        var origins = new ByteRange[length];
        for (int i = 0; i < length;)
        {
            CodePoints.Decode(utf8.AsSpan(0, length), i, out int size);
            origins.AsSpan(i, size).Fill(new ByteRange(i, i + size));
            i += size;
        }
        return origins;
    }

    /// <summary>Part of the text; both ends lie between code points.</summary>
    public NormalizedText Slice(int start, int end) =>
        new(_bytes, _origins, _start + start, end - start, ToOriginal(start, end));

    /// <summary>The part of the original text that a range of bytes came from.</summary>
    public ByteRange ToOriginal(int start, int end)
    {
        if (start == end) return new ByteRange(Original.Start + start, Original.Start + end);
        return new ByteRange(_origins[_start + start].Start, _origins[_start + end - 1].End);
    }

    /// <summary>Replaces the text. <paramref name="numDropped"/> code points at the start are gone.</summary>
    public void Transform(IReadOnlyList<CodePointChange> changes, int numDropped = 0)
    {
        byte[] bytes = new byte[changes.Count * 4];
        var origins = new ByteRange[changes.Count * 4];
        int length = 0, old = 0;
        for (int i = 0; i < numDropped; i++) old += SizeAt(old);
        foreach (CodePointChange change in changes)
        {
            int size = CodePoints.Encode(change.Value, bytes.AsSpan(length));
            origins.AsSpan(length, size).Fill(OriginOf(change, old));
            length += size;
            for (int i = change.Change; i <= 0; i++) old += SizeAt(old);
        }
        Replace(bytes, origins, length);
    }

    ByteRange OriginOf(CodePointChange change, int old)
    {
        if (change.Change <= 0) return _origins[_start + old];
        return old == 0 ? new ByteRange(Original.Start, Original.Start) : _origins[_start + old - 1];
    }

    int SizeAt(int index)
    {
        if (index >= Length) return 0;
        CodePoints.Decode(Bytes, index, out int size);
        return size;
    }

    /// <summary>Puts text before the first code point, which it shares the origin with. An empty text stays
    /// empty.</summary>
    public void Prepend(ReadOnlySpan<byte> prefix)
    {
        if (IsEmpty) return;
        byte[] bytes = new byte[prefix.Length + Length];
        prefix.CopyTo(bytes);
        Bytes.CopyTo(bytes.AsSpan(prefix.Length));
        var origins = new ByteRange[bytes.Length];
        origins.AsSpan(0, prefix.Length).Fill(_origins[_start]);
        _origins.AsSpan(_start, Length).CopyTo(origins.AsSpan(prefix.Length));
        Replace(bytes, origins, bytes.Length);
    }

    /// <summary>Writes <paramref name="content"/> in place of each of the ranges, which are in order and do not
    /// overlap.</summary>
    public void ReplaceRanges(IReadOnlyList<ByteRange> ranges, ReadOnlySpan<byte> content)
    {
        if (ranges.Count == 0) return;
        int removed = 0;
        foreach (ByteRange range in ranges) removed += range.End - range.Start;
        byte[] bytes = new byte[Length - removed + ranges.Count * content.Length];
        var origins = new ByteRange[bytes.Length];
        int length = 0, old = 0;
        foreach (ByteRange range in ranges)
        {
            Copy(range.Start);
            content.CopyTo(bytes.AsSpan(length));
            // Inserted text shares the origin of what stood right before its end.
            ByteRange origin = range.End > range.Start ? _origins[_start + range.End - 1]
                : length > 0 ? origins[length - 1] : new ByteRange(Original.Start, Original.Start);
            origins.AsSpan(length, content.Length).Fill(origin);
            length += content.Length;
            old = range.End;
        }
        Copy(Length);
        Replace(bytes, origins, length);

        void Copy(int end)
        {
            Bytes[old..end].CopyTo(bytes.AsSpan(length));
            _origins.AsSpan(_start + old, end - old).CopyTo(origins.AsSpan(length));
            length += end - old;
        }
    }

    /// <summary>Writes each byte as its character of the <see cref="ByteAlphabet"/>.</summary>
    public void EncodeBytes()
    {
        ReadOnlySpan<byte> old = Bytes;
        // Visible ASCII stands for itself.
        if (!old.ContainsAnyExceptInRange((byte)'!', (byte)'~')) return;
        byte[] bytes = new byte[old.Length * 2];
        var origins = new ByteRange[old.Length * 2];
        int length = 0;
        for (int i = 0; i < old.Length; i++)
        {
            int size = CodePoints.Encode(ByteAlphabet.ToChar(old[i]), bytes.AsSpan(length));
            origins.AsSpan(length, size).Fill(_origins[_start + i]);
            length += size;
        }
        Replace(bytes, origins, length);
    }

    void Replace(byte[] bytes, ByteRange[] origins, int length)
    {
        (_bytes, _origins, _start, Length) = (bytes, origins, 0, length);
    }
}
