using Vllm.Kernels;

namespace Vllm.Engine.KvCache;

/// <summary>
/// Full blocks that the cache had to give up, kept in the host's memory until the least recently used ones make room.
/// A copy stays when its block is loaded, so that it need not be stored again. Content moves with the step that is being
/// made: <see cref="Copies"/>. A block that the step loads is pinned until the next one, lest a store overwrite it.
/// </summary>
sealed class HostTier
{
    readonly PrefixCache _prefixCache;
    readonly BlockPool _pool; // its block 0 is never used: host block i is block i + 1
    readonly List<int> _pinned = [];

    public HostTier(int numBlocks, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numBlocks, 1);
        _prefixCache = new PrefixCache(numBlocks + 1, blockSize);
        _pool = new BlockPool(numBlocks + 1, _prefixCache);
    }

    /// <summary>What the step has to copy.</summary>
    public BlockCopies Copies { get; } = new();

    /// <summary>Blocks copied to the host since the start.</summary>
    public long NumStored { get; private set; }

    /// <summary>Given-up blocks that the host had already.</summary>
    public long NumAlreadyStored { get; private set; }

    /// <summary>Given-up blocks that found all host blocks pinned.</summary>
    public long NumDropped { get; private set; }

    /// <summary>Blocks copied back since the start.</summary>
    public long NumLoaded { get; private set; }

    /// <summary>Blocks that can be found.</summary>
    public int NumHashes => _prefixCache.NumHashes;

    /// <summary>The copies of the step before are made.</summary>
    public void BeginStep()
    {
        foreach (int id in _pinned) _pool.Free([id]);
        _pinned.Clear();
        Copies.Stores.Clear();
        Copies.Loads.Clear();
    }

    /// <summary>The host's block with this hash and these tokens; null when there is none.</summary>
    public KvCacheBlock? Find(BlockHash hash, ReadOnlySpan<int> tokenIds) => _prefixCache.Find(hash, tokenIds);

    /// <summary>Takes over what a block of the cache is about to lose.</summary>
    public void Store(KvCacheBlock block, ReadOnlySpan<int> tokenIds)
    {
        if (_prefixCache.Find(block.Hash, tokenIds) is { } stored)
        {
            NumAlreadyStored++;
            if (stored.RefCount == 0) _pool.MarkUsed(stored);
            return;
        }
        if (_pool.NumFreeBlocks == 0)
        {
            NumDropped++;
            return;
        }
        KvCacheBlock room = _pool.Take();
        _prefixCache.Add(room, block.Hash, tokenIds);
        _pool.Free([room.Id]);
        Copies.Stores.Add(new KvBlockCopy(block.Id, room.Id - 1));
        NumStored++;
    }

    /// <summary>Keeps a block from being overwritten before the step has loaded it.</summary>
    public void Pin(KvCacheBlock stored)
    {
        _pool.AddReference(stored);
        _pinned.Add(stored.Id);
    }

    /// <summary>Loads a pinned block into one of the cache.</summary>
    public void Load(KvCacheBlock stored, int blockId)
    {
        Copies.Loads.Add(new KvBlockCopy(blockId, stored.Id - 1));
        NumLoaded++;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => _pool.ClearPrefixCache();

    /// <summary>Throws when the books do not balance.</summary>
    public void CheckIntegrity()
    {
        var numHolders = new int[_pool.NumUsableBlocks + 1];
        foreach (int id in _pinned) numHolders[id]++;
        _pool.CheckIntegrity(numHolders);
    }
}
