using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Tests that count allocated bytes run alone: beside tests that allocate a lot the count was seen to be some
/// kilobytes off.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public class AllocationTests
{
    public const string Name = "allocation";
}

/// <summary>What a step of 256 decoding requests costs.</summary>
[Collection(AllocationTests.Name)]
public class SteadyStepTests
{
    const int NumRequests = 256;
    const int BlockSize = 16;
    const int NumSteps = 20 * BlockSize;

    readonly List<Request> _finished = [];
    readonly int[] _tokens = new int[NumRequests];

    /// <summary>Over block borders of all requests at once, or of some in each step; blocks are hashed, cached and added
    /// to tables there.</summary>
    [Theory]
    [InlineData(PromptTokens.AtBlockStart)]
    [InlineData(PromptTokens.Staggered)]
    public void DecodeStep_AllocatesNothing(PromptTokens lengths)
    {
        Scheduler scheduler = StartDecoding(lengths);
        int numCached = scheduler.KvCache.NumCachedHashes;
        for (int step = 0; step < NumSteps; step++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step(scheduler);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(NumRequests * NumSteps / BlockSize, scheduler.KvCache.NumCachedHashes - numCached);
    }

    public enum PromptTokens
    {
        AtBlockStart,
        Staggered,
    }

    Scheduler StartDecoding(PromptTokens lengths)
    {
        var scheduler = new Scheduler(new SchedulerOptions
        {
            MaxNumSeqs = NumRequests,
            MaxNumBatchedTokens = 100_000,
            MaxModelLen = 4096,
            BlockSize = BlockSize,
            NumBlocks = 20_000,
        });
        for (int i = 0; i < NumRequests; i++)
        {
            int length = 10 * BlockSize + (lengths == PromptTokens.Staggered ? i % BlockSize : 0);
            scheduler.Add(new Request($"{i}", [.. Enumerable.Range(1000 * i, length)],
                new SamplingParams { StopTokenIds = [1, 2] }, maxTokens: 1000)
            { EosTokenId = 3 });
        }
        Step(scheduler);
        Step(scheduler);
        return scheduler;
    }

    void Step(Scheduler scheduler)
    {
        SchedulerOutput step = scheduler.Schedule();
        scheduler.Update(step, _tokens, _finished);
    }
}
