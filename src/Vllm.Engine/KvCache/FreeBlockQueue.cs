namespace Vllm.Engine.KvCache;

/// <summary>The free blocks in eviction order: the first is the next to be handed out, and to lose what it caches.
/// A doubly linked list through the blocks, so that a prefix hit takes its blocks out of the middle in O(1).</summary>
sealed class FreeBlockQueue
{
    /// <summary>Stands before the first and after the last block.</summary>
    readonly KvCacheBlock _sentinel = new(-1);

    public FreeBlockQueue() => _sentinel.PrevFree = _sentinel.NextFree = _sentinel;

    public int Count { get; private set; }

    /// <summary>The next victim. The queue must not be empty.</summary>
    public KvCacheBlock First => _sentinel.NextFree!;

    public void AddFirst(KvCacheBlock block) => InsertAfter(_sentinel, block);

    public void AddLast(KvCacheBlock block) => InsertAfter(_sentinel.PrevFree!, block);

    public void Remove(KvCacheBlock block)
    {
        block.PrevFree!.NextFree = block.NextFree;
        block.NextFree!.PrevFree = block.PrevFree;
        block.PrevFree = block.NextFree = null;
        Count--;
    }

    /// <summary>Blocks in eviction order.</summary>
    public IEnumerable<KvCacheBlock> InOrder()
    {
        for (KvCacheBlock block = First; block != _sentinel; block = block.NextFree!)
            yield return block;
    }

    void InsertAfter(KvCacheBlock previous, KvCacheBlock block)
    {
        block.PrevFree = previous;
        block.NextFree = previous.NextFree;
        previous.NextFree!.PrevFree = block;
        previous.NextFree = block;
        Count++;
    }
}
