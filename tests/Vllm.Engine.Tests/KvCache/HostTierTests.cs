using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using Vllm.Engine.Tests.Scheduling;
using Vllm.Kernels;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.KvCache;

/// <summary>What the cache gives up, and how it comes back.</summary>
public class HostTierTests
{
    /// <summary>8 usable blocks of 4 tokens.</summary>
    static readonly SchedulerOptions Options = new()
    {
        MaxNumSeqs = 8,
        MaxNumBatchedTokens = 64,
        MaxModelLen = 32,
        BlockSize = 4,
        NumBlocks = 9,
        NumHostBlocks = 20,
    };

    readonly Scheduler _scheduler = new(Options);
    readonly FakeModel _model = new(Options);

    HostTier Tier => _scheduler.KvCache.HostTier!;

    [Fact]
    public void Schedule_LoadsWhatTheCacheGaveUp()
    {
        RunToEnd(NewRequest("A", 20, maxTokens: 1));
        RunToEnd(NewRequest("B", 30, firstToken: 100, maxTokens: 1)); // takes all blocks
        Assert.Equal((5, 0), (Tier.NumStored, Tier.NumLoaded));
        Request again = NewRequest("C", 20, maxTokens: 1);
        _scheduler.Add(again);

        SchedulerOutput output = Step(_scheduler, _model);

        Assert.Equal((16, 4), (output.Scheduled[0].NumComputedTokens, output.Scheduled[0].NumTokens));
        Assert.Equal(4, output.Copies!.Loads.Count);
        Assert.Equal((16, 4), (again.NumCachedTokens, Tier.NumLoaded));
        Assert.Equal(FakeModel.ExpectedOutput(again, 1), again.OutputTokenIds.ToArray());
    }

    [Fact]
    public void Schedule_ContinuesThePrefixOfTheCacheInTheHost()
    {
        RunToEnd(NewRequest("A", 20, maxTokens: 1));                  // A's blocks 1 to 5, evicted from the tail
        RunToEnd(NewRequest("B", 20, firstToken: 100, maxTokens: 1)); // takes 6, 7, 8 and two of A's
        _scheduler.Add(NewRequest("C", 20, maxTokens: 1));

        SchedulerOutput output = Step(_scheduler, _model);

        Assert.Equal(16, output.Scheduled[0].NumComputedTokens);
        Assert.Single(output.Copies!.Loads);
        PrefixCacheStats local = _scheduler.KvCache.PrefixCacheStats, host = _scheduler.KvCache.HostPrefixCacheStats;
        Assert.Equal((60, 12), (local.NumQueriedTokens, local.NumHitTokens));
        Assert.Equal((20 + 20 + 8, 4), (host.NumQueriedTokens, host.NumHitTokens));
    }

    [Fact]
    public void Schedule_BringsAPreemptedRequestBackFromTheHost()
    {
        Request a = NewRequest("A", 15, maxTokens: 16), b = NewRequest("B", 14, firstToken: 100, maxTokens: 12);
        _scheduler.Add(a);
        _scheduler.Add(b);
        while (b.NumPreemptions == 0) Step(_scheduler, _model);
        int numTokens = b.NumTokens;

        while (!b.IsFinished) Step(_scheduler, _model);

        Assert.True(a.IsFinished);
        Assert.True(Tier.NumLoaded > 0);
        PrefixCacheStats preempted = _scheduler.KvCache.PreemptedPrefixCacheStats;
        Assert.Equal(numTokens, preempted.NumQueriedTokens);
        Assert.Equal((numTokens - 1) / 4 * 4, preempted.NumHitTokens + 4 * Tier.NumLoaded); // nothing but the last block
        Assert.Equal(0, _scheduler.KvCache.HostPrefixCacheStats.NumHitTokens);
        Assert.Equal(FakeModel.ExpectedOutput(b, 12), b.OutputTokenIds.ToArray());
    }

    [Fact]
    public void Schedule_ComputesTheWholePromptWhenItsLogprobsAreWanted()
    {
        RunToEnd(NewRequest("A", 20, maxTokens: 1));
        RunToEnd(NewRequest("B", 30, firstToken: 100, maxTokens: 1));
        _scheduler.Add(NewRequest("C", 20, maxTokens: 1, sampling: new SamplingParams { PromptLogprobs = 1 }));

        Assert.Equal(20, Step(_scheduler, _model).Scheduled[0].NumTokens);
    }

    [Theory]
    [InlineData(null, "x")]
    [InlineData("x", "y")]
    public void Schedule_LoadsPrefixesOfOneSaltOnly(string? salt, string? otherSalt)
    {
        RunToEnd(NewRequest("A", 20, maxTokens: 1, salt: salt));
        RunToEnd(NewRequest("B", 30, firstToken: 100, maxTokens: 1));

        _scheduler.Add(NewRequest("C", 20, maxTokens: 1, salt: otherSalt));
        Assert.Equal(0, Step(_scheduler, _model).Scheduled[0].NumComputedTokens);

        _scheduler.Add(NewRequest("D", 20, maxTokens: 1, salt: salt));
        Assert.Equal(16, Step(_scheduler, _model).Scheduled[0].NumComputedTokens);
    }

    [Fact]
    public void ResetPrefixCache_KeepsTheHostTierUnlessAsked()
    {
        RunToEnd(NewRequest("A", 20, maxTokens: 1));
        RunToEnd(NewRequest("B", 30, firstToken: 100, maxTokens: 1));

        Assert.True(_scheduler.ResetPrefixCache());
        Assert.Equal((0, 5), (_scheduler.KvCache.NumCachedHashes, Tier.NumHashes));
        Assert.True(_scheduler.ResetPrefixCache(resetHostTier: true));
        Assert.Equal(0, Tier.NumHashes);
        _scheduler.CheckIntegrity();
    }

    [Fact]
    public void Store_ForgetsTheLeastRecentlyUsed()
    {
        var tier = new HostTier(numBlocks: 2, blockSize: 1);
        Store(tier, 1);
        Store(tier, 2);
        Store(tier, 1); // again: it is there, and used
        Store(tier, 3);

        Assert.Equal([true, false, true], new[] { 1, 2, 3 }.Select(content => Find(tier, content) is not null));
        Assert.Equal((3, 1), (tier.NumStored, tier.NumAlreadyStored));
        Assert.Equal([new KvBlockCopy(1, 0), new(2, 1), new(3, 1)], tier.Copies.Stores);
    }

    [Fact]
    public void Store_SparesWhatTheStepLoads()
    {
        var tier = new HostTier(numBlocks: 1, blockSize: 1);
        Store(tier, 1);
        tier.BeginStep();
        tier.Pin(Find(tier, 1)!);
        tier.Load(Find(tier, 1)!, blockId: 7);

        Store(tier, 2);

        Assert.Empty(tier.Copies.Stores);
        Assert.Equal(1, tier.NumDropped);
        tier.CheckIntegrity();
        tier.BeginStep();
        Store(tier, 2);
        Assert.Equal([new KvBlockCopy(2, 0)], tier.Copies.Stores);
    }

    [Fact]
    public void Find_ConfirmsHitsByTokenIds()
    {
        var tier = new HostTier(numBlocks: 1, blockSize: 1);
        Store(tier, 1);

        Assert.NotNull(tier.Find(HashOf(1), [1]));
        Assert.Null(tier.Find(HashOf(1), [2])); // as if the hashes collided
    }

    /// <summary>A cached block whose step was withdrawn holds nothing.</summary>
    [Fact]
    public void Take_OffersNoInvalidatedBlock()
    {
        var tier = new HostTier(numBlocks: 4, blockSize: 1);
        var prefixCache = new PrefixCache(numBlocks: 3, blockSize: 1);
        var pool = new BlockPool(numBlocks: 3, prefixCache, tier);
        KvCacheBlock computed = pool.Take(), withdrawn = pool.Take();
        prefixCache.Add(computed, HashOf(1), [1]);
        prefixCache.Add(withdrawn, HashOf(2), [2]);
        prefixCache.Invalidate(withdrawn);
        pool.Free([1, 2]);

        pool.Take();
        pool.Take();

        Assert.Equal([new KvBlockCopy(computed.Id, 0)], tier.Copies.Stores);
    }

    void RunToEnd(Request request)
    {
        _scheduler.Add(request);
        while (!request.IsFinished) Step(_scheduler, _model);
    }

    static void Store(HostTier tier, int content) =>
        tier.Store(new KvCacheBlock(content) { Hash = HashOf(content) }, [content]);

    static KvCacheBlock? Find(HostTier tier, int content) => tier.Find(HashOf(content), [content]);

    static BlockHash HashOf(int content) => new((ulong)content, 0, 0, 0);
}
