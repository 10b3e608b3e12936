using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;

namespace Vllm.Engine.Tests.KvCache;

public class KvCacheManagerTests
{
    const int BlockSize = 4;

    readonly KvCacheManager _kvCache = new(numBlocks: 9, BlockSize, enablePrefixCaching: true);
    readonly CachedPrefix _prefix = new();

    [Fact]
    public void TryAdmit_HandsOutAllBlocksButTheNullBlock()
    {
        Request request = Admit(8 * BlockSize);

        Assert.Equal(Enumerable.Range(1, 8), request.BlockTable.Ids.ToArray());
        Assert.Equal((0, 1.0), (_kvCache.NumFreeBlocks, _kvCache.Usage));
        Assert.False(TryAdmit(NewRequest(1, firstToken: 100)));
    }

    [Fact]
    public void TryAdmit_ChangesNothingWhenBlocksLack()
    {
        Admit(4 * BlockSize + 1);
        int[] freeBefore = [.. _kvCache.FreeBlockIds];
        Request request = NewRequest(8 * BlockSize);

        Assert.False(TryAdmit(request));

        Assert.Equal(4, _prefix.NumBlocks);
        Assert.Equal(freeBefore, _kvCache.FreeBlockIds);
        Assert.Equal(0, request.BlockTable.Count);
        Assert.Equal(1, _kvCache.PrefixCacheStats.NumRequests);
    }

    [Fact]
    public void Free_ReusesUnhashedBlocksFirstAndEvictsTailsBeforeHeads()
    {
        _kvCache.Free(Admit(2 * BlockSize + 1)); // blocks 1, 2 are hashed, 3 is not

        Assert.Equal([3, 4, 5, 6, 7, 8, 2, 1], _kvCache.FreeBlockIds);
    }

    [Fact]
    public void FindCachedPrefix_FindsFreedBlocksUntilTheyAreEvicted()
    {
        _kvCache.Free(Admit(4 * BlockSize));
        Assert.Equal(3, CountHits(4 * BlockSize));

        Admit(6 * BlockSize, firstToken: 100); // blocks 5, 6, 7, 8, then the freed tail 4, 3

        Assert.Equal(2, CountHits(4 * BlockSize));
    }

    [Fact]
    public void FindCachedPrefix_ConfirmsHitsByTokenIds()
    {
        Request request = Admit(2 * BlockSize + 1);
        Request other = NewRequest(2 * BlockSize + 1, firstToken: 100);
        other.BlockHashes.AddRange(request.BlockHashes); // as if the hashes collided

        _kvCache.FindCachedPrefix(other, _prefix);

        Assert.Equal(0, _prefix.NumBlocks);
    }

    [Fact]
    public void FindCachedPrefix_ReturnsTheOldestOfEqualBlocks()
    {
        Request first = Admit(BlockSize), second = Admit(BlockSize);
        Assert.Equal(1, _kvCache.NumCachedHashes);

        Assert.Equal([1], Hits());
        _kvCache.Free(first);
        Admit(7 * BlockSize, firstToken: 100); // takes block 1 last
        Assert.Equal([2], Hits());
        Assert.Equal(2, second.BlockTable.Ids.Span[0]);

        IEnumerable<int> Hits()
        {
            CountHits(BlockSize + 1);
            return _prefix.Blocks.Select(block => block.Id);
        }
    }

    [Fact]
    public void CheckIntegrity_NoticesALeak()
    {
        Request request = Admit(BlockSize);

        _kvCache.CheckIntegrity([request]);
        Assert.Throws<InvalidOperationException>(() => _kvCache.CheckIntegrity([]));
    }

    Request Admit(int numTokens, int firstToken = 0)
    {
        Request request = NewRequest(numTokens, firstToken);
        Assert.True(TryAdmit(request));
        return request;
    }

    bool TryAdmit(Request request)
    {
        _kvCache.FindCachedPrefix(request, _prefix);
        int numNewTokens = request.NumTokens - _prefix.NumBlocks * BlockSize;
        return _kvCache.TryAdmit(request, _prefix, numNewTokens, allMustFit: true, numReservedBlocks: 0);
    }

    int CountHits(int numTokens)
    {
        _kvCache.FindCachedPrefix(NewRequest(numTokens), _prefix);
        return _prefix.NumBlocks;
    }

    static Request NewRequest(int numTokens, int firstToken = 0) =>
        new("r", [.. Enumerable.Range(firstToken, numTokens)], new SamplingParams(), maxTokens: 10);
}
