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

    /// <summary>A buffer that has grown beyond this is dropped after the word: one huge word must not pin
    /// memory.</summary>
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

    /// <summary>Applies merges among the symbols from <paramref name="first"/> on, lowest rank first and leftmost among
    /// equals, until none applies.</summary>
    public void MergeAll(MergeTable merges, int first = 0)
    {
        int count = Count - first;
        if (count < 2) return;
        Span<int> ids = _ids.AsSpan(first, count), sizes = _sizes.AsSpan(first, count);
        Count = first
            + (count <= ScanLimit ? MergeByScan(merges, ids, sizes) : new HeapMerger(merges, ids, sizes).Run());
    }

    int MergeByScan(MergeTable merges, Span<int> ids, Span<int> sizes)
    {
        int[] ranks = _ranks, merged = _merged;
        int count = ids.Length;
        for (int i = 0; i + 1 < count; i++) ranks[i] = RankOf(merges, ids[i], ids[i + 1], out merged[i]);
        while (true)
        {
            int best = -1, bestRank = NoMerge;
            for (int i = 0; i + 1 < count; i++)
                if (ranks[i] < bestRank) (best, bestRank) = (i, ranks[i]);
            if (best < 0) return count;

            ids[best] = merged[best];
            sizes[best] += sizes[best + 1];
            count--;
            for (int i = best + 1; i < count; i++)
            {
                ids[i] = ids[i + 1];
                sizes[i] = sizes[i + 1];
                ranks[i - 1] = ranks[i];
                merged[i - 1] = merged[i];
            }
            if (best + 1 < count) ranks[best] = RankOf(merges, ids[best], ids[best + 1], out merged[best]);
            if (best > 0) ranks[best - 1] = RankOf(merges, ids[best - 1], ids[best], out merged[best - 1]);
        }
    }

    static int RankOf(MergeTable merges, int left, int right, out int merged) =>
        merges.TryGet(left, right, out int rank, out merged) ? rank : NoMerge;

    /// <summary>Merges a long word in n log n: a linked list of symbols, and a heap of (rank, position).</summary>
    ref struct HeapMerger
    {
        readonly MergeTable _merges;
        readonly Span<int> _ids, _sizes;
        readonly int[] _next, _previous;

        // Rank of the pair that begins at a symbol. An entry of the heap with another rank is stale.
        readonly int[] _rankAt;
        ulong[] _heap;
        int _heapCount;

        public HeapMerger(MergeTable merges, Span<int> ids, Span<int> sizes)
        {
            _merges = merges;
            _ids = ids;
            _sizes = sizes;
            _next = new int[ids.Length];
            _previous = new int[ids.Length];
            _rankAt = new int[ids.Length];
            _heap = new ulong[ids.Length];
        }

        public int Run()
        {
            int last = _ids.Length - 1;
            for (int i = 0; i <= last; i++)
            {
                _previous[i] = i - 1;
                _next[i] = i < last ? i + 1 : -1;
            }
            for (int i = 0; i <= last; i++) Enqueue(i);
            while (_heapCount > 0)
            {
                ulong top = Dequeue();
                int left = (int)(uint)top;
                if (_rankAt[left] != (int)(top >> 32)) continue;
                Merge(left, _next[left]);
            }
            return Compact();
        }

        void Merge(int left, int right)
        {
            _merges.TryGet(_ids[left], _ids[right], out _, out _ids[left]);
            _sizes[left] += _sizes[right];
            _rankAt[right] = NoMerge;
            int next = _next[left] = _next[right];
            if (next >= 0) _previous[next] = left;
            Enqueue(left);
            if (_previous[left] >= 0) Enqueue(_previous[left]);
        }

        /// <summary>Notes the rank of the pair that begins at a symbol, and queues it if it merges.</summary>
        void Enqueue(int left)
        {
            int right = _next[left];
            int rank = _rankAt[left] = right < 0 ? NoMerge : RankOf(_merges, _ids[left], _ids[right], out _);
            if (rank == NoMerge) return;
            if (_heapCount == _heap.Length) Array.Resize(ref _heap, _heapCount * 2);
            ulong value = (ulong)(uint)rank << 32 | (uint)left;
            int index = _heapCount++;
            for (int parent; index > 0 && _heap[parent = (index - 1) >> 1] > value; index = parent)
                _heap[index] = _heap[parent];
            _heap[index] = value;
        }

        ulong Dequeue()
        {
            ulong top = _heap[0], moved = _heap[--_heapCount];
            int index = 0;
            for (int child; (child = 2 * index + 1) < _heapCount; index = child)
            {
                if (child + 1 < _heapCount && _heap[child + 1] < _heap[child]) child++;
                if (_heap[child] >= moved) break;
                _heap[index] = _heap[child];
            }
            _heap[index] = moved;
            return top;
        }

        readonly int Compact()
        {
            int count = 0;
            for (int i = 0; i >= 0; i = _next[i], count++) (_ids[count], _sizes[count]) = (_ids[i], _sizes[i]);
            return count;
        }
    }
}
