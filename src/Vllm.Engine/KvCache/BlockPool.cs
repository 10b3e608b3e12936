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
    readonly HostTier? _hostTier;

    /// <param name="numBlocks">Blocks, the null block included.</param>
    /// <param name="prefixCache">Forgets blocks that are handed out; null = nothing is cached.</param>
    /// <param name="hostTier">Is offered them before; null = they are lost.</param>
    public BlockPool(int numBlocks, PrefixCache? prefixCache, HostTier? hostTier = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numBlocks, 2);
        _prefixCache = prefixCache;
        _hostTier = hostTier;
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

    /// <summary>Hands out the first free block; what it cached goes to the host or is forgotten. There must be one.</summary>
    public KvCacheBlock Take()
    {
        KvCacheBlock block = _free.First;
        _free.Remove(block);
        if (block.IsCached) Evict(block);
        block.RefCount = 1;
        return block;
    }

    void Evict(KvCacheBlock block)
    {
        ReadOnlySpan<int> tokenIds = _prefixCache!.ValidTokenIdsOf(block);
        if (tokenIds.Length > 0) _hostTier?.Store(block, tokenIds);
        _prefixCache.Remove(block);
    }

    /// <summary>Makes a free block the last to be handed out.</summary>
    public void MarkUsed(KvCacheBlock block)
    {
        _free.Remove(block);
        _free.AddLast(block);
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

    /// <summary>Throws unless every block is free or held exactly as often as given, and all that is cached can be
    /// found.</summary>
    /// <param name="numHolders">Per block id.</param>
    public void CheckIntegrity(ReadOnlySpan<int> numHolders)
    {
        Check(numHolders[0] == 0, "the null block is in a block table");
        var isFree = new bool[_blocks.Length];
        foreach (KvCacheBlock block in FreeBlocks)
            isFree[block.Id] = true;
        int numFree = isFree.Count(free => free);
        Check(numFree == NumFreeBlocks, $"{numFree} blocks in the free queue, counted {NumFreeBlocks}");
        var hashes = new HashSet<BlockHash>();
        foreach (KvCacheBlock block in _blocks.AsSpan(1))
        {
            int id = block.Id;
            Check(block.RefCount == numHolders[id], $"block {id}: {block.RefCount} references of {numHolders[id]}");
            Check(isFree[id] == (block.RefCount == 0), $"block {id}: {block.RefCount} references, free {isFree[id]}");
            if (!block.IsCached) continue;
            hashes.Add(block.Hash);
            Check(_prefixCache!.Contains(block), $"block {id} is cached and cannot be found");
        }
        int numHashes = _prefixCache?.NumHashes ?? 0;
        Check(hashes.Count == numHashes, $"{numHashes} cached hashes, {hashes.Count} on blocks");
    }

    static void Check(bool holds, string problem)
    {
        if (!holds) throw new InvalidOperationException($"KV cache: {problem}");
    }
}
