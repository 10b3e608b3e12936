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
public class SteadyStepTests(ITestOutputHelper output)
{
    const int NumRequests = 256;
    const int BlockSize = 16;

    readonly List<Request> _finished = [];
    readonly int[] _tokens = new int[NumRequests];

    [Fact]
    public void DecodeStep_AllocatesNothingUnlessBlocksFill()
    {
        Scheduler scheduler = StartDecoding(PromptTokens.AtBlockStart);
        for (int step = 1; step < 4 * BlockSize; step++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step(scheduler);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

            // All requests fill a block in the same step: lists of hashes grow then, by doubling.
            bool fillsBlocks = scheduler.Running[0].NumComputedTokens % BlockSize == 0;
            Assert.InRange(allocated, 0, fillsBlocks ? NumRequests * 600 : 0);
        }
    }

    [Fact]
    public void DecodeStep_AllocatesLittleOnAverage()
    {
        const int numSteps = 8 * BlockSize;
        Scheduler scheduler = StartDecoding(PromptTokens.Staggered);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < numSteps; step++)
            Step(scheduler);

        double perToken = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)(numSteps * NumRequests);
        output.WriteLine($"{perToken:F2} bytes per token");
        Assert.InRange(perToken, 0, 16);
    }

    enum PromptTokens
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
