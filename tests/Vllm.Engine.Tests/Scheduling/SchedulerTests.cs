using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>The scheduler's rules, one by one.</summary>
public class SchedulerTests
{
    static readonly SchedulerOptions Options = new()
    {
        MaxNumSeqs = 8,
        MaxNumBatchedTokens = 2048,
        MaxModelLen = 8192,
        BlockSize = 16,
        NumBlocks = 1000,
    };

    [Fact]
    public void Schedule_GivesTheWorkedTrace()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 3000));
        scheduler.Add(NewRequest("B", 500, firstToken: 10_000));
        var tokens = new List<string>();
        var numNewBlocks = new List<string>();

        for (int step = 0; step < 6; step++)
        {
            if (step == 2) scheduler.Add(NewRequest("C", 6000, firstToken: 20_000));
            var before = scheduler.Running.ToDictionary(r => r, r => r.BlockTable.Count);
            SchedulerOutput output = scheduler.Schedule();
            tokens.Add(Join(output.Scheduled.Select(s => s.NumTokens)));
            numNewBlocks.Add(Join(output.Scheduled
                .Select(s => s.BlockIds.Length - before.GetValueOrDefault(s.Request)).Where(n => n > 0)));
            Update(scheduler, output);
        }

        Assert.Equal(["2048", "952+500", "1+1+2046", "1+1+2046", "1+1+1908", "1+1+1"], tokens);
        Assert.Equal(["128", "60+32", "128", "128", "119", "1"], numNewBlocks);
    }

    [Fact]
    public void Add_RefusesAnIdThatIsAlive()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 10));

        Assert.Throws<ArgumentException>(() => scheduler.Add(NewRequest("A", 10)));
        scheduler.Finish("A", FinishReason.Abort);
        scheduler.Add(NewRequest("A", 10));
    }

    [Fact]
    public void Schedule_ComputesAFullHitsLastBlock()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 64));
        scheduler.Add(NewRequest("B", 64));

        SchedulerOutput output = scheduler.Schedule();

        Assert.Equal([0, 48], output.Scheduled.Select(s => s.NumComputedTokens));
        Assert.Equal(output.Scheduled[0].BlockIds.Span[..3], output.Scheduled[1].BlockIds.Span[..3]);
        Assert.NotEqual(output.Scheduled[0].BlockIds.Span[3], output.Scheduled[1].BlockIds.Span[3]);
        Assert.Equal(48, output.Scheduled[1].Request.NumCachedTokens);
    }

    [Theory]
    [InlineData("x", null, 0)]
    [InlineData("x", "y", 0)]
    [InlineData("x", "x", 48)]
    [InlineData("", null, 48)]
    public void Schedule_SharesPrefixesOfOneSaltOnly(string? salt, string? otherSalt, int numHitTokens)
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 64, salt: salt));
        scheduler.Add(NewRequest("B", 64, salt: otherSalt));

        Assert.Equal(numHitTokens, scheduler.Schedule().Scheduled[1].NumComputedTokens);
    }

    [Fact]
    public void Schedule_ComputesTheWholePromptWhenItsLogprobsAreWanted()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 64));
        scheduler.Add(NewRequest("B", 64, sampling: new SamplingParams { PromptLogprobs = 1 }));

        Assert.Equal([64, 64], scheduler.Schedule().Scheduled.Select(s => s.NumTokens));
        Assert.Equal(1, scheduler.KvCache.PrefixCacheStats.NumRequests);
    }

    [Fact]
    public void Preempt_ReturnsBlocksToPoolAndRecomputesPromptAndOutput()
    {
        // Two requests of 32 tokens fill the pool of 4 blocks; the first output token of A needs a fifth.
        var scheduler = new Scheduler(Options with { NumBlocks = 5, EnablePrefixCaching = false });
        Request a = NewRequest("A", 32, maxTokens: 2), b = NewRequest("B", 32, maxTokens: 3);
        scheduler.Add(a);
        scheduler.Add(b);
        Step(scheduler);

        SchedulerOutput output = scheduler.Schedule();

        Assert.Equal([b], output.Preempted);
        Assert.Equal([a], output.Scheduled.Select(s => s.Request));
        Assert.Equal((RequestStatus.Preempted, 1), (b.Status, b.NumPreemptions));
        Assert.Equal((0, 0), (b.NumComputedTokens, b.BlockTable.Count));
        Assert.Equal(1, scheduler.KvCache.NumFreeBlocks);

        Update(scheduler, output); // A ends
        output = scheduler.Schedule();

        ScheduledRequest resumed = Assert.Single(output.Scheduled);
        Assert.Equal((b, 0, 33), (resumed.Request, resumed.NumComputedTokens, resumed.NumTokens));
        Assert.True(resumed.ProducesToken);
        Assert.Equal([a], output.Finished);
    }

    [Fact]
    public void ProducesToken_IsFalseUntilAResumedRequestHasCaughtUp()
    {
        var scheduler = new Scheduler(Options with { MaxNumBatchedTokens = 20, EnablePrefixCaching = false });
        Request request = NewRequest("A", 20);
        scheduler.Add(request);
        Step(scheduler);
        Step(scheduler);
        scheduler.ResetPrefixCache(resetRunning: true);

        SchedulerOutput output = scheduler.Schedule();
        Assert.False(output.Scheduled[0].ProducesToken);
        Update(scheduler, output);
        output = scheduler.Schedule();

        Assert.Equal((20, 2), (output.Scheduled[0].NumComputedTokens, output.Scheduled[0].NumTokens));
        Assert.True(output.Scheduled[0].ProducesToken);
        Update(scheduler, output);
        Assert.True(output.Scheduled[0].ProducesToken);
    }

    [Fact]
    public void Schedule_AdmitsNobodyInAStepThatPreempts()
    {
        var scheduler = new Scheduler(Options with { NumBlocks = 6, EnablePrefixCaching = false });
        scheduler.Add(NewRequest("A", 32));
        scheduler.Add(NewRequest("B", 48));
        Step(scheduler);
        scheduler.Add(NewRequest("C", 1));

        SchedulerOutput output = scheduler.Schedule();

        Assert.Equal(["B"], output.Preempted.Select(r => r.Id));
        Assert.Equal(["A"], output.Scheduled.Select(s => s.Request.Id));
        Assert.Equal(["B", "C"], scheduler.Waiting.Select(r => r.Id));
    }

    /// <summary>B, more important and later in the list, takes the blocks of A, whose share of the step was to fill two
    /// blocks. They are never computed, so that A must not hit them when it comes back.</summary>
    [Fact]
    public void Schedule_NeverHitsBlocksOfAWithdrawnShare()
    {
        SchedulerOptions options = Options with
        {
            Policy = SchedulingPolicy.Priority,
            BlockSize = 4,
            NumBlocks = 11,
            MaxNumBatchedTokens = 16,
            LongPrefillTokenThreshold = 8,
            SchedulerReserveFullIsl = false,
        };
        var scheduler = new Scheduler(options);
        var model = new FakeModel(options);
        scheduler.Add(NewRequest("A", 33, priority: 1));
        Step(scheduler, model);
        scheduler.Add(NewRequest("B", 8, firstToken: 100, maxTokens: 2));
        Step(scheduler, model);

        Assert.Equal(["B"], Step(scheduler, model).Scheduled.Select(s => s.Request.Id));
        ScheduledRequest resumed = Assert.Single(Step(scheduler, model).Scheduled);
        Assert.Equal(("A", 24), (resumed.Request.Id, resumed.NumComputedTokens));
    }

    /// <summary>B takes the blocks of A, and C, which would have had the 7 tokens left over, gets its full 8.</summary>
    [Fact]
    public void Schedule_GivesTheTokensOfAWithdrawnShareToOthers()
    {
        SchedulerOptions options = Options with
        {
            Policy = SchedulingPolicy.Priority,
            BlockSize = 4,
            NumBlocks = 15,
            MaxNumBatchedTokens = 16,
            LongPrefillTokenThreshold = 8,
            SchedulerReserveFullIsl = false,
        };
        var scheduler = new Scheduler(options);
        var model = new FakeModel(options);
        scheduler.Add(NewRequest("A", 60, priority: 1));
        Step(scheduler, model);
        scheduler.Add(NewRequest("B", 7, firstToken: 100));
        Step(scheduler, model);
        scheduler.Add(NewRequest("C", 40, firstToken: 200));
        Assert.Equal("8+1+7", Join(Step(scheduler, model).Scheduled.Select(s => s.NumTokens)));

        SchedulerOutput output = Step(scheduler, model);

        Assert.Equal(["A"], output.Preempted.Select(r => r.Id));
        Assert.Equal("1+8", Join(output.Scheduled.Select(s => s.NumTokens)));
    }

    [Fact]
    public void Schedule_KeepsTheWatermarkFreeOnlyWhileOthersRun()
    {
        var scheduler = new Scheduler(Options with { NumBlocks = 10, Watermark = 0.2 });
        scheduler.Add(NewRequest("A", 8 * 16));
        Assert.Single(Step(scheduler).Scheduled);
        scheduler.Finish("A", FinishReason.Abort);

        scheduler.Add(NewRequest("B", 16, firstToken: 5000));
        scheduler.Add(NewRequest("C", 7 * 16, firstToken: 6000));
        scheduler.Add(NewRequest("D", 16, firstToken: 7000));

        Assert.Equal(["B"], Step(scheduler).Scheduled.Select(s => s.Request.Id));
    }

    [Fact]
    public void Schedule_ReservesRoomForTheWholePromptUnlessTold()
    {
        foreach (bool reserve in (bool[])[true, false])
        {
            var scheduler = new Scheduler(
                Options with { NumBlocks = 8, MaxNumBatchedTokens = 32, SchedulerReserveFullIsl = reserve });
            scheduler.Add(NewRequest("A", 16));
            scheduler.Add(NewRequest("B", 7 * 16, firstToken: 5000));

            Assert.Equal(reserve ? 1 : 2, scheduler.Schedule().Scheduled.Count);
        }
    }

    [Fact]
    public void Schedule_DoesNotLetSmallRequestsOvertake()
    {
        var scheduler = new Scheduler(Options with { NumBlocks = 101 });
        int numAdded = 0;
        void AddSmall() =>
            scheduler.Add(NewRequest($"s{numAdded++:000}", 64, firstToken: 100 * numAdded, maxTokens: 5));
        for (int i = 0; i < 8; i++)
            AddSmall();
        Request large = NewRequest("large", 95 * 16, firstToken: 50_000);
        scheduler.Add(large);

        int numSteps = 0;
        for (; large.Status == RequestStatus.Waiting; numSteps++)
        {
            AddSmall();
            SchedulerOutput output = Step(scheduler);
            Assert.True(large.Status == RequestStatus.Running
                || output.Scheduled.All(s => int.Parse(s.Request.Id[1..]) < 8));
        }

        Assert.InRange(numSteps, 1, 10);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Abort_BetweenScheduleAndUpdateDropsTheToken(bool isFirst)
    {
        var scheduler = new Scheduler(Options);
        Request a = NewRequest("A", 20), b = NewRequest("B", 40, firstToken: 500);
        scheduler.Add(a);
        scheduler.Add(b);
        SchedulerOutput output = scheduler.Schedule();
        (Request aborted, Request other) = isFirst ? (a, b) : (b, a);
        int[] blockIds = output.Scheduled.First(s => s.Request == aborted).BlockIds.ToArray();

        Assert.True(scheduler.Finish(aborted.Id, FinishReason.Abort));

        Assert.Equal(blockIds, output.Scheduled.First(s => s.Request == aborted).BlockIds.ToArray());
        var finished = new List<Request>();
        scheduler.Update(output, [1, 2], finished);
        Assert.Empty(finished);
        Assert.Equal((0, FinishReason.Abort), (aborted.NumOutputTokens, aborted.FinishReason));
        Assert.Equal([other == a ? 1 : 2], other.OutputTokenIds.ToArray());
        Assert.Equal([aborted], scheduler.Schedule().Finished);
    }

    [Fact]
    public void Abort_TakesAWaitingRequestOutOfTheQueue()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 20));
        scheduler.Add(NewRequest("B", 20));

        Assert.True(scheduler.Finish("A", FinishReason.Abort));
        Assert.False(scheduler.Finish("A", FinishReason.Abort));

        Assert.Equal(["B"], scheduler.Waiting.Select(r => r.Id));
        Assert.Equal(1, scheduler.NumWaiting);
    }

    [Fact]
    public void ResetPrefixCache_FailsWhileBlocksAreHeldUnlessRunningAreReset()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 40));
        Step(scheduler);

        Assert.False(scheduler.ResetPrefixCache());
        Assert.True(scheduler.ResetPrefixCache(resetRunning: true));

        Assert.Equal((0, 0.0), (scheduler.KvCache.NumCachedHashes, scheduler.KvCache.Usage));
        Assert.Equal(0, Step(scheduler).Scheduled[0].NumComputedTokens);
    }

    [Fact]
    public void Priority_OrdersByPriorityThenArrivalThenId()
    {
        var scheduler = new Scheduler(Options with { Policy = SchedulingPolicy.Priority });
        scheduler.Add(NewRequest("d", 5, priority: 1, arrivalTime: 1));
        scheduler.Add(NewRequest("c", 5, priority: 0, arrivalTime: 2));
        scheduler.Add(NewRequest("b", 5, priority: 0, arrivalTime: 1));
        scheduler.Add(NewRequest("a", 5, priority: 0, arrivalTime: 1));

        Assert.Equal(["a", "b", "c", "d"], scheduler.Schedule().Scheduled.Select(s => s.Request.Id));
    }

    static string Join(IEnumerable<int> numbers) => string.Join('+', numbers);
}
