using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>The priority policy: who gives way when blocks run out, and who comes back first.</summary>
public class PriorityTests
{
    /// <summary>6 usable blocks: three requests of two full blocks fill them, so that the next token of any of them
    /// takes somebody's blocks.</summary>
    static readonly SchedulerOptions Options = new()
    {
        MaxNumSeqs = 8,
        MaxNumBatchedTokens = 1000,
        MaxModelLen = 96,
        BlockSize = 16,
        NumBlocks = 7,
        Policy = SchedulingPolicy.Priority,
        EnablePrefixCaching = false,
    };

    [Fact]
    public void Preempt_TakesTheBlocksOfTheLeastImportant()
    {
        Scheduler scheduler = Start(
            NewRequest("A", 32, priority: 0), NewRequest("B", 32, priority: 2), NewRequest("C", 32, priority: 1));

        SchedulerOutput output = Step(scheduler);

        Assert.Equal(["B"], output.Preempted.Select(r => r.Id));
        Assert.Equal(["A", "C"], output.Scheduled.Select(s => s.Request.Id));
    }

    [Fact]
    public void Preempt_TakesTheLatestOfEqualPriority()
    {
        Scheduler scheduler = Start(
            NewRequest("A", 32, priority: 1, arrivalTime: 1), NewRequest("B", 32, priority: 1, arrivalTime: 3),
            NewRequest("C", 32, priority: 1, arrivalTime: 2));

        Assert.Equal(["B"], Step(scheduler).Preempted.Select(r => r.Id));
    }

    [Fact]
    public void Preempt_TakesTheLastToComeWithoutPriorities()
    {
        Scheduler scheduler = Start(Options with { Policy = SchedulingPolicy.Fcfs },
            NewRequest("A", 32, priority: 0), NewRequest("B", 32, priority: 2), NewRequest("C", 32, priority: 1));

        Assert.Equal(["C"], Step(scheduler).Preempted.Select(r => r.Id));
    }

    [Fact]
    public void Schedule_AdmitsAMoreImportantNewcomerBeforeAPreemptedRequest()
    {
        Scheduler scheduler = Start(
            NewRequest("A", 32, priority: 0), NewRequest("B", 32, priority: 2), NewRequest("C", 32, priority: 1));
        Step(scheduler);
        scheduler.Add(NewRequest("D", 16, priority: 1, arrivalTime: 9));
        scheduler.Finish("A", FinishReason.Abort);

        Assert.Equal(["C", "D"], Step(scheduler).Scheduled.Select(s => s.Request.Id));
        Assert.Equal(["B"], scheduler.Waiting.Select(r => r.Id));
    }

    /// <summary>However many less important ones come later, and whatever they hold.</summary>
    [Fact]
    public void Schedule_NeverTakesBlocksFromTheMostImportant()
    {
        var random = new Random(7);
        var scheduler = new Scheduler(Options with { NumBlocks = 12 });
        Request first = NewRequest("first", 20, priority: 0, maxTokens: 60);
        scheduler.Add(first);
        for (int step = 0; !first.IsFinished; step++)
        {
            scheduler.Add(NewRequest($"{step}", random.Next(1, 60), priority: random.Next(1, 5), arrivalTime: step));
            SchedulerOutput output = Step(scheduler);
            Assert.Equal(first, output.Scheduled[0].Request);
        }

        Assert.Equal(0, first.NumPreemptions);
        Assert.True(scheduler.NumPreemptions > 0);
    }

    static Scheduler Start(params Request[] requests) => Start(Options, requests);

    static Scheduler Start(SchedulerOptions options, params Request[] requests)
    {
        var scheduler = new Scheduler(options);
        foreach (Request request in requests) scheduler.Add(request);
        Assert.Equal(requests.Length, Step(scheduler).Scheduled.Count);
        return scheduler;
    }
}
