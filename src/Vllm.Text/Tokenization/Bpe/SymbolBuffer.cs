using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization.Bpe;

/// <summary>
/// The symbols of one word while merges run over it: ids and the number of bytes each covers. One per encoding
/// thread, reused for every word.
/// </summary>
sealed class SymbolBuffer
{
    /// <summary>Words up to this many symbols scan for the lowest rank; longer ones keep a heap. Measured: the scan
    /// wins below about 60 symbols.</summary>
    const int ScanLimit = 48;

    /// <summary>A buffer that has grown beyond this is dropped after the word: one huge word must not pin memory.</summary>
    const int RetainLimit = 1 << 16;

    const int NoMerge = int.MaxValue;

    int[] _ids = new int[256];
    int[] _sizes = new int[256];
    int[] _ranks = new int[ScanLimit];
    int[] _merged = new int[ScanLimit];

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Bytes covered by each symbol.</summary>
    public ReadOnlySpan<int> Sizes => _sizes.AsSpan(0, Count);

    public void Clear()
    {
        Count = 0;
        if (_ids.Length <= RetainLimit) return;
        _ids = new int[256];
        _sizes = new int[256];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int id, int size)
    {
        if (Count == _ids.Length) Resize();
        _ids[Count] = id;
        _sizes[Count++] = size;
    }

    void Resize()
    {
        Array.Resize(ref _ids, Count * 2);
        Array.Resize(ref _sizes, Count * 2);
    }

    /// <summary>Applies merges, lowest rank first and leftmost among equals, until none applies.</summary>
    public void MergeAll(MergeTable merges)
    {
        if (Count < 2) return;
        if (Count <= ScanLimit) MergeByScan(merges);
        else MergeByHeap(merges);
    }

    void MergeByScan(MergeTable merges)
    {
        int[] ids = _ids, sizes = _sizes, ranks = _ranks, merged = _merged;
        int count = Count;
        for (int i = 0; i + 1 < count; i++) LookUp(i);
        while (true)
        {
            int best = -1, bestRank = NoMerge;
            for (int i = 0; i + 1 < count; i++)
                if (ranks[i] < bestRank) (best, bestRank) = (i, ranks[i]);
            if (best < 0) break;

            ids[best] = merged[best];
            sizes[best] += sizes[best + 1];
            count--;
            int numMoved = count - best - 1;
            Array.Copy(ids, best + 2, ids, best + 1, numMoved);
            Array.Copy(sizes, best + 2, sizes, best + 1, numMoved);
            if (numMoved > 0)
            {
                Array.Copy(ranks, best + 2, ranks, best + 1, numMoved - 1);
                Array.Copy(merged, best + 2, merged, best + 1, numMoved - 1);
                LookUp(best);
            }
            if (best > 0) LookUp(best - 1);
        }
        Count = count;

        void LookUp(int i) => ranks[i] = merges.TryGet(ids[i], ids[i + 1], out int rank, out merged[i]) ? rank : NoMerge;
    }

    void MergeByHeap(MergeTable merges)
    {
        int[] ids = _ids;
        int[] next = new int[Count];
        int[] previous = new int[Count];
        var pairs = new List<(Pair, ulong)>(Count);
        for (int i = 0; i < Count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1 < Count ? i + 1 : -1;
            if (i + 1 < Count && merges.TryGet(ids[i], ids[i + 1], out int rank, out int mergedId))
                pairs.Add((new Pair(ids[i], ids[i + 1], mergedId), Priority(rank, i)));
        }
        var queue = new PriorityQueue<Pair, ulong>(pairs);

        while (queue.TryDequeue(out Pair pair, out ulong priority))
        {
            int left = (int)(uint)priority;
            int right = next[left];
            // An entry is stale when either symbol has been merged since.
            if (ids[left] != pair.Left || right < 0 || ids[right] != pair.Right) continue;

            ids[left] = pair.Merged;
            ids[right] = -1;
            _sizes[left] += _sizes[right];
            next[left] = next[right];
            if (next[left] >= 0) previous[next[left]] = left;
            Enqueue(previous[left], left);
            Enqueue(left, next[left]);
        }
        Compact(next);

        void Enqueue(int left, int right)
        {
            if (left < 0 || right < 0) return;
            if (merges.TryGet(ids[left], ids[right], out int rank, out int mergedId))
                queue.Enqueue(new Pair(ids[left], ids[right], mergedId), Priority(rank, left));
        }
    }

    void Compact(int[] next)
    {
        int count = 0;
        for (int i = 0; i >= 0; i = next[i], count++)
        {
            _ids[count] = _ids[i];
            _sizes[count] = _sizes[i];
        }
        Count = count;
    }

    static ulong Priority(int rank, int position) => (ulong)(uint)rank << 32 | (uint)position;

    readonly record struct Pair(int Left, int Right, int Merged);
}
