using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization.Bpe;

/// <summary>
/// Ids of recent short words: a direct-mapped table of fixed size, where a new word replaces what its slot held. Not
/// safe for several threads; each encoding thread has its own.
/// </summary>
sealed class WordCache
{
    /// <summary>Longest word kept, in bytes: two machine words, so that a hit is two comparisons.</summary>
    public const int MaxWordBytes = 16;

    /// <summary>Most ids kept for a word.</summary>
    const int MaxIds = 4;

    /// <summary>16,384 entries of 40 bytes: about half of a core's L2 cache.</summary>
    const int NumEntries = 1 << 14;

    [InlineArray(MaxIds)]
    struct EntryIds
    {
        int _first;
    }

    struct Entry
    {
        public ulong Low, High;
        public byte Length, Count;   // Length 0 = free
        public EntryIds Ids;
    }

    readonly Entry[] _entries = new Entry[NumEntries];

    /// <summary>Appends the ids of a word of 1 to <see cref="MaxWordBytes"/> bytes if they are known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAppend(ReadOnlySpan<byte> word, IdBuffer output, out Key key)
    {
        key = new Key(word);
        ref Entry entry = ref _entries[key.Slot];
        if (entry.Low != key.Low || entry.High != key.High || entry.Length != word.Length) return false;
        ReadOnlySpan<int> ids = entry.Ids;
        for (int i = 0; i < entry.Count; i++) output.Add(ids[i]);
        return true;
    }

    public void Set(in Key key, int length, ReadOnlySpan<int> ids)
    {
        if (ids.Length > MaxIds) return;
        ref Entry entry = ref _entries[key.Slot];
        entry.Low = key.Low;
        entry.High = key.High;
        entry.Length = (byte)length;
        entry.Count = (byte)ids.Length;
        ids.CopyTo(entry.Ids);
    }

    public readonly struct Key
    {
        public readonly ulong Low, High;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Key(ReadOnlySpan<byte> word)
        {
            if (word.Length >= 8)
            {
                Low = BinaryPrimitives.ReadUInt64LittleEndian(word);
                // The last eight bytes overlap the first: with the length they still determine the word.
                High = BinaryPrimitives.ReadUInt64LittleEndian(word[^8..]);
            }
            else Low = ByteHash.ReadUpTo7(word);
        }

        public int Slot => (int)ByteHash.Mix(Low ^ ByteHash.Mix(High + 1)) & (NumEntries - 1);
    }
}
