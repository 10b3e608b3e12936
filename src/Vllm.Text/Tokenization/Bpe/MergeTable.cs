using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization.Bpe;

/// <summary>The merges of a BPE model: (left id, right id) to (rank, merged id), in an open-addressed table.</summary>
sealed class MergeTable
{
    struct Entry
    {
        public ulong Key;        // left + 1 << 32 | right; 0 = free
        public int Rank;
        public int MergedId;
    }

    Entry[] _entries;
    int _count;

    public MergeTable(int numExpected) =>
        _entries = new Entry[BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, numExpected + numExpected / 2))];

    /// <summary>Adds a merge. With <paramref name="replaces"/>, a pair that is already there takes the new
    /// rank.</summary>
    public void Add(int left, int right, int rank, int mergedId, bool replaces)
    {
        if (_count * 4 >= _entries.Length * 3) Grow();
        ref Entry entry = ref FindEntry(Key(left, right));
        if (entry.Key != 0 && !replaces) return;
        if (entry.Key == 0) _count++;
        entry = new Entry { Key = Key(left, right), Rank = rank, MergedId = mergedId };
    }

    /// <summary>Whether the pair merges, and with which rank into what.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGet(int left, int right, out int rank, out int mergedId)
    {
        ref Entry entry = ref FindEntry(Key(left, right));
        rank = entry.Rank;
        mergedId = entry.MergedId;
        return entry.Key != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    ref Entry FindEntry(ulong key)
    {
        Entry[] entries = _entries;
        int mask = entries.Length - 1;
        int index = (int)ByteHash.Mix(key) & mask;
        while (entries[index].Key != 0 && entries[index].Key != key) index = index + 1 & mask;
        return ref entries[index];
    }

    void Grow()
    {
        Entry[] old = _entries;
        _entries = new Entry[old.Length * 2];
        foreach (Entry entry in old)
            if (entry.Key != 0) FindEntry(entry.Key) = entry;
    }

    static ulong Key(int left, int right) => (ulong)(uint)(left + 1) << 32 | (uint)right;
}
