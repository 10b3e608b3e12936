using Vllm.Engine.Requests;

namespace Vllm.Engine.KvCache;

/// <summary>
/// Gives requests their KV blocks: finds the cached prefix of a prompt, extends block tables, takes blocks back. Blocks
/// enter the prefix cache when they are given out, before the step that computes them, so that a second request with
/// the same prompt in the same step shares them. Owned by the engine thread.
/// </summary>
sealed class KvCacheManager
{
    readonly int _blockSize;
    readonly BlockHasher _hasher;
    readonly PrefixCache? _prefixCache;
    readonly BlockPool _pool;

    public KvCacheManager(int numBlocks, int blockSize, bool enablePrefixCaching)
    {
        _blockSize = blockSize;
        _hasher = new BlockHasher(blockSize);
        _prefixCache = enablePrefixCaching ? new PrefixCache(numBlocks, blockSize) : null;
        _pool = new BlockPool(numBlocks, _prefixCache);
    }

    /// <summary>Of requests that were never preempted.</summary>
    public PrefixCacheStats PrefixCacheStats { get; } = new();

    /// <summary>Of requests that come back after a preemption: they hit their own blocks.</summary>
    public PrefixCacheStats PreemptedPrefixCacheStats { get; } = new();

    public int NumFreeBlocks => _pool.NumFreeBlocks;

    /// <summary>Share of the blocks that requests hold; blocks that are only cached count as free.</summary>
    public double Usage => 1 - (double)_pool.NumFreeBlocks / _pool.NumUsableBlocks;

    /// <summary>Different blocks in the prefix cache.</summary>
    public int NumCachedHashes => _prefixCache?.NumHashes ?? 0;

    /// <summary>Ids of the free blocks, next to be handed out first.</summary>
    public IEnumerable<int> FreeBlockIds => _pool.FreeBlocks.Select(block => block.Id);

    /// <summary>Replaces the content of <paramref name="hits"/> by the longest run of cached blocks at the request's
    /// start. It never covers all its tokens: the last one has to be computed to get logits.</summary>
    public void FindCachedPrefix(Request request, List<KvCacheBlock> hits)
    {
        hits.Clear();
        if (!ReadsPrefixCache(request)) return;
        int maxNumHits = (request.NumTokens - 1) / _blockSize;
        while (hits.Count < maxNumHits && FindBlock(request, hits.Count) is { } block)
            hits.Add(block);
    }

    bool ReadsPrefixCache(Request request) => _prefixCache is not null && !request.SamplingParams.SkipReadingPrefixCache;

    KvCacheBlock? FindBlock(Request request, int index)
    {
        ComputeHashes(request, index + 1);
        return _prefixCache!.Find(request.BlockHashes[index], TokenIdsOfBlock(request, index));
    }

    /// <summary>
    /// Gives a waiting request the cached blocks <paramref name="hits"/> and new ones for
    /// <paramref name="numNewTokens"/> tokens after them.
    /// </summary>
    /// <param name="request">The request; holds no blocks yet.</param>
    /// <param name="hits">What <see cref="FindCachedPrefix"/> found; nothing may have happened in between.</param>
    /// <param name="numNewTokens">Tokens of the step.</param>
    /// <param name="allMustFit">Ask for room for all its tokens, though only this step's blocks are taken.</param>
    /// <param name="numReservedBlocks">Blocks that must stay free besides.</param>
    /// <returns>False, with nothing changed, when there are too few free blocks.</returns>
    public bool TryAdmit(
        Request request, List<KvCacheBlock> hits, int numNewTokens, bool allMustFit, int numReservedBlocks)
    {
        int numTokens = hits.Count * _blockSize + numNewTokens;
        int numNeeded = NumBlocksFor(allMustFit ? request.NumTokens : numTokens) - hits.Count + numReservedBlocks;
        foreach (KvCacheBlock block in hits)
            if (block.RefCount == 0)
                numNeeded++;
        if (numNeeded > _pool.NumFreeBlocks) return false;

        foreach (KvCacheBlock block in hits)
        {
            _pool.AddReference(block);
            request.BlockTable.Add(block.Id);
        }
        request.BlockTable.NumCachedBlocks = hits.Count;
        // Counted here, not at the lookup: a request that has to wait is looked up again in every step.
        PrefixCacheStats stats = request.NumPreemptions > 0 ? PreemptedPrefixCacheStats : PrefixCacheStats;
        if (ReadsPrefixCache(request)) stats.Record(request.NumTokens, hits.Count * _blockSize);
        Extend(request, numTokens);
        return true;
    }

    /// <summary>Gives a running request blocks for its next <paramref name="numNewTokens"/> tokens.</summary>
    /// <returns>False, with nothing changed, when there are too few free blocks.</returns>
    public bool TryAllocate(Request request, int numNewTokens)
    {
        int numTokens = request.NumComputedTokens + numNewTokens;
        if (NumBlocksFor(numTokens) - request.BlockTable.Count > _pool.NumFreeBlocks) return false;
        Extend(request, numTokens);
        return true;
    }

    /// <summary>Makes sure that nobody hits the blocks of a request that were to be filled after its first
    /// <paramref name="numComputedTokens"/> tokens by a step which is not going to do it. (vLLM leaves them in its
    /// cache.) They keep their place in it: what is evicted when stays as in vLLM.</summary>
    public void InvalidateFrom(Request request, int numComputedTokens)
    {
        BlockTable table = request.BlockTable;
        for (int i = numComputedTokens / _blockSize; i < table.NumCachedBlocks; i++)
            _prefixCache!.Invalidate(_pool[table.Ids.Span[i]]);
    }

    /// <summary>Takes back all blocks of a request.</summary>
    public void Free(Request request)
    {
        _pool.Free(request.BlockTable.Ids.Span);
        request.BlockTable.Clear();
    }

    /// <summary>Forgets all cached blocks.</summary>
    /// <returns>False, with nothing changed, while any request holds blocks.</returns>
    public bool ResetPrefixCache()
    {
        if (_pool.NumFreeBlocks != _pool.NumUsableBlocks) return false;
        _pool.ClearPrefixCache();
        return true;
    }

    /// <summary>Throws when the books do not balance: every block is free or held, by exactly the given requests, and
    /// all that is cached can be found.</summary>
    public void CheckIntegrity(IReadOnlyCollection<Request> holders)
    {
        var numHolders = new int[_pool.NumUsableBlocks + 1];
        foreach (Request request in holders)
        {
            foreach (int id in request.BlockTable.Ids.Span)
                numHolders[id]++;
            CheckCachedBlocks(request);
        }
        Check(numHolders[0] == 0, "the null block is in a block table");

        var isFree = new bool[numHolders.Length];
        foreach (KvCacheBlock block in _pool.FreeBlocks)
            isFree[block.Id] = true;
        int numFree = isFree.Count(free => free);
        Check(numFree == _pool.NumFreeBlocks, $"{numFree} blocks in the free queue, counted {_pool.NumFreeBlocks}");
        var hashes = new HashSet<BlockHash>();
        for (int id = 1; id < numHolders.Length; id++)
        {
            KvCacheBlock block = _pool[id];
            Check(block.RefCount == numHolders[id], $"block {id}: {block.RefCount} references of {numHolders[id]}");
            Check(isFree[id] == (block.RefCount == 0), $"block {id}: {block.RefCount} references, free {isFree[id]}");
            if (!block.IsCached) continue;
            hashes.Add(block.Hash);
            Check(_prefixCache!.Contains(block), $"block {id} is cached and cannot be found");
        }
        Check(hashes.Count == NumCachedHashes, $"{NumCachedHashes} cached hashes, {hashes.Count} on blocks");
    }

    void CheckCachedBlocks(Request request)
    {
        BlockTable table = request.BlockTable;
        for (int i = 0; i < table.Count; i++)
        {
            KvCacheBlock block = _pool[table.Ids.Span[i]];
            Check(block.IsCached == i < table.NumCachedBlocks, $"block {i} of {request.Id}: cached {block.IsCached}");
            Check(!block.IsCached || block.Hash == request.BlockHashes[i], $"block {i} of {request.Id}: other hash");
        }
    }

    static void Check(bool holds, string problem)
    {
        if (!holds) throw new InvalidOperationException($"KV cache: {problem}");
    }

    void Extend(Request request, int numTokens)
    {
        BlockTable table = request.BlockTable;
        for (int numBlocks = NumBlocksFor(numTokens); table.Count < numBlocks;)
            table.Add(_pool.Take().Id);
        CacheFullBlocks(request, numTokens / _blockSize);
    }

    void CacheFullBlocks(Request request, int numFullBlocks)
    {
        if (_prefixCache is null) return;
        BlockTable table = request.BlockTable;
        ComputeHashes(request, numFullBlocks);
        for (int i = table.NumCachedBlocks; i < numFullBlocks; i++)
            _prefixCache.Add(_pool[table.Ids.Span[i]], request.BlockHashes[i], TokenIdsOfBlock(request, i));
        table.NumCachedBlocks = numFullBlocks;
    }

    /// <summary>Hashes are computed once, when first asked for: tokens are only ever appended.</summary>
    void ComputeHashes(Request request, int numBlocks)
    {
        List<BlockHash> hashes = request.BlockHashes;
        for (int i = hashes.Count; i < numBlocks; i++)
            hashes.Add(i == 0
                ? _hasher.Hash(_hasher.Root, TokenIdsOfBlock(request, 0), request.CacheSalt)
                : _hasher.Hash(hashes[i - 1], TokenIdsOfBlock(request, i), cacheSalt: null));
    }

    ReadOnlySpan<int> TokenIdsOfBlock(Request request, int index) =>
        request.TokenIds.Slice(index * _blockSize, _blockSize);

    int NumBlocksFor(int numTokens) => (numTokens + _blockSize - 1) / _blockSize;
}
