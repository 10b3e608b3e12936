using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>First come, first served starves nobody: an endless stream of requests, more than the engine can serve, with
/// too few blocks for all that run.</summary>
public class FairnessTests(ITestOutputHelper output)
{
    const int NumSteps = 3000;

    static readonly SchedulerOptions Options = new()
    {
        MaxNumSeqs = 6,
        MaxNumBatchedTokens = 64,
        MaxModelLen = 300,
        BlockSize = 8,
        NumBlocks = 60,
    };

    /// <summary>The oldest request is served first in every step and never preempted. So it ends after the steps of its
    /// own work at most, and every other one after that of those before it and its own.</summary>
    [Fact]
    public void Fcfs_EndsEveryRequestAfterTheWorkOfThoseBeforeIt()
    {
        var scheduler = new Scheduler(Options);
        var deadlines = new Dictionary<Request, int>();
        var alive = new List<Request>();
        var random = new Random(11);
        double worst = 0;
        for (int step = 0; step < NumSteps; step++)
        {
            if (random.Next(12) == 0) AddOne(step);
            Step(scheduler);
            foreach (Request request in alive.Where(request => request.IsFinished))
                worst = Math.Max(worst, (double)step / deadlines[request]);
            alive.RemoveAll(request => request.IsFinished);
            Assert.All(alive, request => Assert.True(step < deadlines[request], $"{request.Id} starves in step {step}"));
        }
        output.WriteLine($"{deadlines.Count} requests, {scheduler.NumPreemptions} preemptions, {scheduler.NumWaiting} "
            + $"still wait; the closest to its deadline took {worst:P0} of the time");
        Assert.True(scheduler.NumPreemptions > 50);
        Assert.True(scheduler.NumWaiting > 20);

        void AddOne(int step)
        {
            int numTokens = random.Next(1, 200);
            Request added = NewRequest($"{step}", numTokens, firstToken: step * 1000, maxTokens: random.Next(1, 100));
            alive.Add(added);
            deadlines[added] = step + alive.Sum(NumStepsAlone);
            scheduler.Add(added);
        }
    }

    /// <summary>Prompt and output once more when it was preempted, and a step per token.</summary>
    static int NumStepsAlone(Request request) =>
        (request.NumPromptTokens + request.MaxTokens) / Options.MaxNumBatchedTokens + 1 + request.MaxTokens;

    [Fact]
    public void Fcfs_AdmitsInOrderOfArrival()
    {
        var scheduler = new Scheduler(Options);
        var random = new Random(12);
        int lastAdmitted = -1, numAdded = 0;
        for (int step = 0; step < NumSteps; step++)
        {
            if (random.Next(12) == 0)
                scheduler.Add(NewRequest($"{numAdded++}", random.Next(1, 200), firstToken: step * 1000, maxTokens: random.Next(1, 100)));
            foreach (ScheduledRequest scheduled in Step(scheduler).Scheduled)
            {
                int number = int.Parse(scheduled.Request.Id);
                Assert.True(number <= lastAdmitted + 1, $"{number} overtakes {lastAdmitted + 1}");
                lastAdmitted = Math.Max(lastAdmitted, number);
            }
            // Whoever runs came before whoever waits, preempted or not.
            Assert.True(scheduler.NumRunning == 0 || scheduler.NumWaiting == 0
                || scheduler.Running.Max(r => int.Parse(r.Id)) < scheduler.Waiting.Min(r => int.Parse(r.Id)));
        }
        Assert.True(lastAdmitted > 50);
    }

    /// <summary>With long prompts cut, a short one behind them gets its first token at once.</summary>
    [Theory]
    [InlineData(0, 4)]
    [InlineData(16, 1)]
    public void LongPrefillTokenThreshold_BoundsTheWaitBehindALongPrompt(int threshold, int numSteps)
    {
        var scheduler = new Scheduler(Options with { LongPrefillTokenThreshold = threshold });
        scheduler.Add(NewRequest("long", 220));
        Request late = NewRequest("late", 5, firstToken: 1000);
        scheduler.Add(late);

        int step = 0;
        for (; late.NumOutputTokens == 0; step++) Step(scheduler);

        Assert.Equal(numSteps, step);
    }
}
