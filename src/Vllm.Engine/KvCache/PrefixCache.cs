using System.Runtime.InteropServices;

namespace Vllm.Engine.KvCache;

/// <summary>
/// Full blocks by hash. Equal blocks are not merged, because a running request's table never changes under it: all
/// blocks of one hash form a ring, and lookups return the oldest. The token ids of every cached block are kept, so that
/// a hit is confirmed by content and never rests on the hash alone.
/// </summary>
sealed class PrefixCache(int numBlocks, int blockSize)
{
    const int NoToken = -1;

    readonly Dictionary<BlockHash, KvCacheBlock> _oldest = new(numBlocks);
    readonly int[] _tokenIds = new int[checked(numBlocks * blockSize)]; // [numBlocks, blockSize]

    /// <summary>Different hashes in the cache.</summary>
    public int NumHashes => _oldest.Count;

    /// <summary>The oldest block with this hash and these tokens; null when there is none.</summary>
    public KvCacheBlock? Find(BlockHash hash, ReadOnlySpan<int> tokenIds)
    {
        if (!_oldest.TryGetValue(hash, out KvCacheBlock? oldest)) return null;
        KvCacheBlock block = oldest;
        do
        {
            if (TokenIdsOf(block).SequenceEqual(tokenIds)) return block;
            block = block.NextEqual!;
        }
        while (block != oldest);
        return null;
    }

    public void Add(KvCacheBlock block, BlockHash hash, ReadOnlySpan<int> tokenIds)
    {
        tokenIds.CopyTo(TokenIdsOf(block));
        block.Hash = hash;
        block.IsCached = true;
        ref KvCacheBlock? oldest = ref CollectionsMarshal.GetValueRefOrAddDefault(_oldest, hash, out _);
        oldest ??= block.PrevEqual = block.NextEqual = block;
        if (oldest == block) return;
        block.NextEqual = oldest;
        block.PrevEqual = oldest.PrevEqual;
        oldest.PrevEqual!.NextEqual = block;
        oldest.PrevEqual = block;
    }

    public void Remove(KvCacheBlock block)
    {
        if (block.NextEqual == block)
        {
            _oldest.Remove(block.Hash);
        }
        else
        {
            if (_oldest[block.Hash] == block) _oldest[block.Hash] = block.NextEqual!;
            block.PrevEqual!.NextEqual = block.NextEqual;
            block.NextEqual!.PrevEqual = block.PrevEqual;
        }
        block.PrevEqual = block.NextEqual = null;
        block.IsCached = false;
    }

    /// <summary>Leaves a block where it is, but no lookup finds it any more.</summary>
    public void Invalidate(KvCacheBlock block) => TokenIdsOf(block).Fill(NoToken);

    /// <summary>The tokens of a cached block; empty for one that was invalidated.</summary>
    public ReadOnlySpan<int> ValidTokenIdsOf(KvCacheBlock block)
    {
        Span<int> tokenIds = TokenIdsOf(block);
        return tokenIds[0] == NoToken ? [] : tokenIds;
    }

    /// <summary>The block is in the ring of its hash, and the ring is closed.</summary>
    public bool Contains(KvCacheBlock block)
    {
        if (!_oldest.TryGetValue(block.Hash, out KvCacheBlock? member)) return false;
        KvCacheBlock oldest = member;
        while (member != block && member.NextEqual != oldest && member.NextEqual!.PrevEqual == member)
            member = member.NextEqual;
        return member == block;
    }

    Span<int> TokenIdsOf(KvCacheBlock block) => _tokenIds.AsSpan(block.Id * blockSize, blockSize);
}
