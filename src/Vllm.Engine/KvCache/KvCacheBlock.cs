namespace Vllm.Engine.KvCache;

/// <summary>One physical block of the KV cache. It is free (reference count 0, in the free queue) or held by one or
/// more requests; either way it may also be in the prefix cache. Links are intrusive: moving a block allocates
/// nothing.</summary>
sealed class KvCacheBlock(int id)
{
    public int Id { get; } = id;

    /// <summary>Requests that hold the block.</summary>
    public int RefCount { get; set; }

    /// <summary>The block is full and in the prefix cache under <see cref="Hash"/>.</summary>
    public bool IsCached { get; set; }

    public BlockHash Hash { get; set; }

    /// <summary>Neighbours in the <see cref="FreeBlockQueue"/>; null when not in it.</summary>
    public KvCacheBlock? PrevFree { get; set; }
    public KvCacheBlock? NextFree { get; set; }

    /// <summary>Ring of the cached blocks with the same hash, oldest first, in the <see cref="PrefixCache"/>; a block
    /// alone points at itself.</summary>
    public KvCacheBlock? PrevEqual { get; set; }
    public KvCacheBlock? NextEqual { get; set; }
}
