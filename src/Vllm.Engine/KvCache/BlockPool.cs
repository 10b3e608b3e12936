namespace Vllm.Engine.KvCache;

/// <summary>
/// All blocks of the cache with their reference counts. Block 0 is the null block, which stands for "no block" in
/// tables on the device and is never handed out. States of any other block:
/// <code>
/// free ──Take──► held by 1 ──AddReference──► held by n
///   ▲   ◄─Free──            ◄──────Free────
///   └── a free block that is cached stays findable until Take evicts it
/// </code>
/// </summary>
sealed class BlockPool
{
    readonly KvCacheBlock[] _blocks;
    readonly FreeBlockQueue _free = new();
    readonly PrefixCache? _prefixCache;

    public BlockPool(int numBlocks, PrefixCache? prefixCache)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numBlocks, 2);
        _prefixCache = prefixCache;
        _blocks = new KvCacheBlock[numBlocks];
        for (int id = 0; id < numBlocks; id++)
        {
            _blocks[id] = new KvCacheBlock(id);
            if (id > 0) _free.AddLast(_blocks[id]);
        }
    }

    public int NumFreeBlocks => _free.Count;

    /// <summary>Blocks that can be handed out at all.</summary>
    public int NumUsableBlocks => _blocks.Length - 1;

    /// <summary>The free blocks, next victim first.</summary>
    public IEnumerable<KvCacheBlock> FreeBlocks => _free.InOrder();

    public KvCacheBlock this[int id] => _blocks[id];

    /// <summary>Hands out the first free block; what it cached is forgotten. There must be one.</summary>
    public KvCacheBlock Take()
    {
        KvCacheBlock block = _free.First;
        _free.Remove(block);
        if (block.IsCached) _prefixCache!.Remove(block);
        block.RefCount = 1;
        return block;
    }

    /// <summary>One more holder of a cached block, free or not.</summary>
    public void AddReference(KvCacheBlock block)
    {
        if (block.RefCount++ == 0) _free.Remove(block);
    }

    /// <summary>
    /// Gives up one reference to each block of a table. Cached blocks go to the end of the queue, the table's tail
    /// before its head, so that a prefix loses its end first; others are of no use to anybody and go to the front, tail
    /// first.
    /// </summary>
    public void Free(ReadOnlySpan<int> blockIds)
    {
        foreach (int id in blockIds)
            if (!_blocks[id].IsCached && --_blocks[id].RefCount == 0)
                _free.AddFirst(_blocks[id]);
        for (int i = blockIds.Length - 1; i >= 0; i--)
            if (_blocks[blockIds[i]].IsCached && --_blocks[blockIds[i]].RefCount == 0)
                _free.AddLast(_blocks[blockIds[i]]);
    }

    /// <summary>Forgets everything that is cached.</summary>
    public void ClearPrefixCache()
    {
        foreach (KvCacheBlock block in _blocks)
            if (block.IsCached)
                _prefixCache!.Remove(block);
    }
}
