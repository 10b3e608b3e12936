using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;

namespace Vllm.Engine.KvCache;

/// <summary>
/// Gives requests their KV blocks: finds the cached prefix of a prompt, extends block tables, takes blocks back. Blocks
/// enter the prefix cache when they are given out, before the step that computes them, so that a second request with
/// the same prompt in the same step shares them. With a <see cref="HostTier"/>, blocks that the cache gives up go there
/// and come back when a prompt's cached prefix goes on in it. Owned by the engine thread.
/// </summary>
sealed class KvCacheManager
{
    readonly int _blockSize;
    readonly BlockHasher _hasher;
    readonly PrefixCache? _prefixCache;
    readonly BlockPool _pool;

    /// <param name="numBlocks">Blocks of the cache, the null block included.</param>
    /// <param name="blockSize">Tokens per block.</param>
    /// <param name="enablePrefixCaching">Keep full blocks for other requests.</param>
    /// <param name="numHostBlocks">Blocks of the host tier, which needs prefix caching; 0 = none.</param>
    public KvCacheManager(int numBlocks, int blockSize, bool enablePrefixCaching, int numHostBlocks = 0)
    {
        _blockSize = blockSize;
        _hasher = new BlockHasher(blockSize);
        _prefixCache = enablePrefixCaching ? new PrefixCache(numBlocks, blockSize) : null;
        HostTier = numHostBlocks > 0 && enablePrefixCaching ? new HostTier(numHostBlocks, blockSize) : null;
        _pool = new BlockPool(numBlocks, _prefixCache, HostTier);
    }

    /// <summary>What the cache gave up; null when the host keeps nothing.</summary>
    public HostTier? HostTier { get; }

    /// <summary>Of requests that were never preempted.</summary>
    public PrefixCacheStats PrefixCacheStats { get; } = new();

    /// <summary>Of requests that come back after a preemption: they hit their own blocks.</summary>
    public PrefixCacheStats PreemptedPrefixCacheStats { get; } = new();

    /// <summary>Lookups in the host tier for what the cache did not have, of requests that were never preempted.</summary>
    public PrefixCacheStats HostPrefixCacheStats { get; } = new();

    /// <summary>All counts of the host tier.</summary>
    public HostTierStats HostTierStats => HostTier is null ? default : new()
    {
        NumQueriedTokens = HostPrefixCacheStats.NumQueriedTokens,
        NumHitTokens = HostPrefixCacheStats.NumHitTokens,
        NumStored = HostTier.NumStored,
        NumAlreadyStored = HostTier.NumAlreadyStored,
        NumDropped = HostTier.NumDropped,
        NumLoaded = HostTier.NumLoaded,
    };

    public int NumFreeBlocks => _pool.NumFreeBlocks;

    /// <summary>Share of the blocks that requests hold; blocks that are only cached count as free.</summary>
    public double Usage => 1 - (double)_pool.NumFreeBlocks / _pool.NumUsableBlocks;

    /// <summary>Different blocks in the prefix cache.</summary>
    public int NumCachedHashes => _prefixCache?.NumHashes ?? 0;

    /// <summary>Ids of the free blocks, next to be handed out first.</summary>
    public IEnumerable<int> FreeBlockIds => _pool.FreeBlocks.Select(block => block.Id);

    /// <summary>Replaces the content of <paramref name="prefix"/> by the longest run of cached blocks at the request's
    /// start and what of its continuation the host has. It never covers all its tokens: the last one has to be computed
    /// to get logits.</summary>
    public void FindCachedPrefix(Request request, CachedPrefix prefix)
    {
        prefix.Clear();
        if (!ReadsPrefixCache(request)) return;
        int maxNumBlocks = (request.NumTokens - 1) / _blockSize;
        while (prefix.NumBlocks < maxNumBlocks && FindBlock(request, prefix.NumBlocks) is { } block)
            prefix.Blocks.Add(block);
        if (HostTier is null) return;
        while (prefix.NumBlocks < maxNumBlocks && FindHostBlock(request, prefix.NumBlocks) is { } block)
            prefix.HostBlocks.Add(block);
    }

    bool ReadsPrefixCache(Request request) => _prefixCache is not null && !request.SamplingParams.SkipReadingPrefixCache;

    KvCacheBlock? FindBlock(Request request, int index)
    {
        ComputeHashes(request, index + 1);
        return _prefixCache!.Find(request.BlockHashes[index], TokenIdsOfBlock(request, index));
    }

    KvCacheBlock? FindHostBlock(Request request, int index)
    {
        ComputeHashes(request, index + 1);
        return HostTier!.Find(request.BlockHashes[index], TokenIdsOfBlock(request, index));
    }

    /// <summary>
    /// Gives a waiting request the blocks of its cached prefix and new ones for <paramref name="numNewTokens"/> tokens
    /// after them. What the host has of the prefix is loaded into new blocks by the step that is being made.
    /// </summary>
    /// <param name="request">The request; holds no blocks yet.</param>
    /// <param name="prefix">What <see cref="FindCachedPrefix"/> found; nothing may have happened in between.</param>
    /// <param name="numNewTokens">Tokens of the step.</param>
    /// <param name="allMustFit">Ask for room for all its tokens, though only this step's blocks are taken.</param>
    /// <param name="numReservedBlocks">Blocks that must stay free besides.</param>
    /// <returns>False, with nothing changed, when there are too few free blocks.</returns>
    public bool TryAdmit(
        Request request, CachedPrefix prefix, int numNewTokens, bool allMustFit, int numReservedBlocks)
    {
        int numTokens = prefix.NumBlocks * _blockSize + numNewTokens;
        int numNeeded = NumBlocksFor(allMustFit ? request.NumTokens : numTokens) - prefix.Blocks.Count + numReservedBlocks;
        foreach (KvCacheBlock block in prefix.Blocks)
            if (block.RefCount == 0)
                numNeeded++;
        if (numNeeded > _pool.NumFreeBlocks) return false;

        request.BlockTable.Reserve(NumBlocksFor(request.NumReservedTokens));
        foreach (KvCacheBlock block in prefix.Blocks)
        {
            _pool.AddReference(block);
            request.BlockTable.Add(block.Id);
        }
        request.BlockTable.NumCachedBlocks = prefix.Blocks.Count;
        if (ReadsPrefixCache(request)) RecordHits(request, prefix);
        LoadHostBlocks(request, prefix);
        Extend(request, numTokens);
        return true;
    }

    /// <summary>All are pinned before the first block is taken: what that one gives up may take a host block.</summary>
    void LoadHostBlocks(Request request, CachedPrefix prefix)
    {
        foreach (KvCacheBlock stored in prefix.HostBlocks)
            HostTier!.Pin(stored);
        foreach (KvCacheBlock stored in prefix.HostBlocks)
        {
            int blockId = _pool.Take().Id;
            request.BlockTable.Add(blockId);
            HostTier!.Load(stored, blockId);
        }
    }

    /// <summary>Counted here, not at the lookup: a request that has to wait is looked up again in every step.</summary>
    void RecordHits(Request request, CachedPrefix prefix)
    {
        bool isPreempted = request.NumPreemptions > 0;
        int numHitTokens = prefix.Blocks.Count * _blockSize;
        (isPreempted ? PreemptedPrefixCacheStats : PrefixCacheStats).Record(request.NumTokens, numHitTokens);
        if (HostTier is not null && !isPreempted)
            HostPrefixCacheStats.Record(request.NumTokens - numHitTokens, prefix.HostBlocks.Count * _blockSize);
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

    /// <summary>Forgets all cached blocks; what the host has stays.</summary>
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
        _pool.CheckIntegrity(numHolders);
        HostTier?.CheckIntegrity();
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
        if (hashes.Count == 0) hashes.EnsureCapacity(request.NumReservedTokens / _blockSize);
        for (int i = hashes.Count; i < numBlocks; i++)
            hashes.Add(i == 0
                ? _hasher.Hash(_hasher.Root, TokenIdsOfBlock(request, 0), request.CacheSalt)
                : _hasher.Hash(hashes[i - 1], TokenIdsOfBlock(request, i), cacheSalt: null));
    }

    ReadOnlySpan<int> TokenIdsOfBlock(Request request, int index) =>
        request.TokenIds.Slice(index * _blockSize, _blockSize);

    int NumBlocksFor(int numTokens) => (numTokens + _blockSize - 1) / _blockSize;
}
