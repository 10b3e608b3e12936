using System.Runtime.CompilerServices;
using System.Text;

namespace Vllm.Text.Tokenization;

/// <summary>
/// The tokens of a model: token to id by an open-addressed table over one block of bytes, id to token by position in
/// that block; no string is kept per token.
/// </summary>
/// <remarks>
/// A byte-level vocabulary is written in the <see cref="ByteAlphabet"/>. Its tokens are kept as the bytes they stand
/// for ("raw"), so that text needs no mapping before it is looked up. Tokens with other characters keep their UTF-8
/// text. Raw and text keys live in one table and never equal each other.
/// </remarks>
sealed class Vocabulary
{
    const int RawBit = 1;
    const int Missing = -1;

    /// <summary>Where a token's bytes start in the block (or <see cref="Missing"/>), and length &lt;&lt; 1 |
    /// <see cref="RawBit"/>.</summary>
    readonly record struct Entry(int Start, int LengthAndKind);

    byte[] _block;
    int _blockLength;
    Entry[] _entries;    // by id
    ulong[] _slots;      // hash << 32 | id + 1; 0 = free
    int _count;

    public Vocabulary(bool isByteLevel, int numExpected)
    {
        IsByteLevel = isByteLevel;
        _block = new byte[Math.Max(256, numExpected * 8)];
        _entries = new Entry[numExpected];
        Array.Fill(_entries, new Entry(Missing, 0));
        _slots = new ulong[TableSize(numExpected)];
    }

    /// <summary>Whether tokens are written in the <see cref="ByteAlphabet"/>.</summary>
    public bool IsByteLevel { get; }

    /// <summary>Number of tokens.</summary>
    public int Count => _count;

    /// <summary>One above the highest id.</summary>
    public int IdLimit { get; private set; }

    /// <summary>Adds a token given as UTF-8 text. False when the text is already there (the first one stays).</summary>
    public bool TryAdd(ReadOnlySpan<byte> utf8, int id)
    {
        Span<byte> buffer = utf8.Length <= 512 ? stackalloc byte[utf8.Length] : new byte[utf8.Length];
        bool isRaw = TryGetRaw(utf8, buffer, out int rawLength);
        return TryAddKey(isRaw ? buffer[..rawLength] : utf8, isRaw, id);
    }

    /// <summary>The id of a token given as UTF-8 text, or -1. An id that is likely, <paramref name="guess"/>, is
    /// compared first: cheaper than a look-up in a table that no cache holds.</summary>
    public int Find(ReadOnlySpan<byte> utf8, int guess = -1)
    {
        Span<byte> buffer = utf8.Length <= 512 ? stackalloc byte[utf8.Length] : new byte[utf8.Length];
        bool isRaw = TryGetRaw(utf8, buffer, out int rawLength);
        ReadOnlySpan<byte> key = isRaw ? buffer[..rawLength] : utf8;
        return Contains(guess) && Is(guess, key, isRaw) ? guess : FindKey(key, isRaw);
    }

    bool Is(int id, ReadOnlySpan<byte> key, bool isRaw) =>
        _entries[id].LengthAndKind == (key.Length << 1 | (isRaw ? RawBit : 0)) && GetBytes(id).SequenceEqual(key);

    /// <summary>The id of a token given as text, or -1.</summary>
    public int Find(ReadOnlySpan<char> text)
    {
        Span<byte> utf8 = text.Length <= 170 ? stackalloc byte[text.Length * 3] : new byte[text.Length * 3];
        return Find(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }

    /// <summary>The id of a token of a byte-level vocabulary given as the bytes it stands for, or -1.</summary>
    public int FindRaw(ReadOnlySpan<byte> bytes) => FindKey(bytes, isRaw: true);

    public bool Contains(int id) => (uint)id < (uint)IdLimit && _entries[id].Start != Missing;

    /// <summary>The bytes a token stands for: raw bytes, or its UTF-8 text when it is not in the byte
    /// alphabet.</summary>
    public ReadOnlySpan<byte> GetBytes(int id) => _block.AsSpan(_entries[id].Start, _entries[id].LengthAndKind >> 1);

    /// <summary>The token as the vocabulary writes it.</summary>
    public string GetText(int id) =>
        (_entries[id].LengthAndKind & RawBit) != 0 ? ByteAlphabet.Encode(GetBytes(id))
            : Encoding.UTF8.GetString(GetBytes(id));

    bool TryGetRaw(ReadOnlySpan<byte> utf8, Span<byte> buffer, out int length)
    {
        length = 0;
        return IsByteLevel && ByteAlphabet.TryDecode(utf8, buffer, out length);
    }

    bool TryAddKey(ReadOnlySpan<byte> key, bool isRaw, int id)
    {
        if (_count * 2 >= _slots.Length) Grow();
        uint hash = Hash(key, isRaw);
        ref ulong slot = ref FindSlot(key, isRaw, hash);
        if (slot != 0) return false;
        slot = (ulong)hash << 32 | (uint)(id + 1);
        EnsureIdRoom(id);
        if (_blockLength + key.Length > _block.Length)
            Array.Resize(ref _block, Math.Max(_block.Length * 2, _blockLength + key.Length));
        key.CopyTo(_block.AsSpan(_blockLength));
        _entries[id] = new Entry(_blockLength, key.Length << 1 | (isRaw ? RawBit : 0));
        _blockLength += key.Length;
        IdLimit = Math.Max(IdLimit, id + 1);
        _count++;
        return true;
    }

    void EnsureIdRoom(int id)
    {
        if (id < _entries.Length) return;
        int oldLength = _entries.Length;
        Array.Resize(ref _entries, Math.Max(id + 1, oldLength * 2));
        Array.Fill(_entries, new Entry(Missing, 0), oldLength, _entries.Length - oldLength);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    int FindKey(ReadOnlySpan<byte> key, bool isRaw) => (int)(uint)FindSlot(key, isRaw, Hash(key, isRaw)) - 1;

    /// <summary>The slot of a key, or the free slot where it would go.</summary>
    ref ulong FindSlot(ReadOnlySpan<byte> key, bool isRaw, uint hash)
    {
        int mask = _slots.Length - 1;
        for (int index = (int)hash & mask; ; index = index + 1 & mask)
        {
            ref ulong slot = ref _slots[index];
            if (slot == 0) return ref slot;
            if ((uint)(slot >> 32) != hash) continue;
            if (Is((int)(uint)slot - 1, key, isRaw)) return ref slot;
        }
    }

    void Grow()
    {
        ulong[] old = _slots;
        _slots = new ulong[old.Length * 2];
        int mask = _slots.Length - 1;
        foreach (ulong slot in old)
        {
            if (slot == 0) continue;
            int index = (int)(uint)(slot >> 32) & mask;
            while (_slots[index] != 0) index = index + 1 & mask;
            _slots[index] = slot;
        }
    }

    static uint Hash(ReadOnlySpan<byte> key, bool isRaw) => ByteHash.Compute(key) ^ (isRaw ? 0x5BD1E995u : 0);

    static int TableSize(int numExpected) =>
        (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, numExpected * 2 + 1));
}
