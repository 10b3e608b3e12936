using Vllm.Engine.Scheduling;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>long_prefill_token_threshold: a long prompt is cut when somebody else would have to wait for it.</summary>
public class LongPrefillTests
{
    static readonly SchedulerOptions Options = new()
    {
        MaxNumSeqs = 8,
        MaxNumBatchedTokens = 1000,
        MaxModelLen = 8192,
        BlockSize = 16,
        NumBlocks = 2000,
        LongPrefillTokenThreshold = 200,
    };

    [Fact]
    public void Schedule_CutsLongPromptsWhileOthersAreThere()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 500));
        scheduler.Add(NewRequest("B", 150, firstToken: 1000));
        scheduler.Add(NewRequest("C", 900, firstToken: 2000));

        Assert.Equal([200, 150, 200], NumTokens(Step(scheduler)));
        Assert.Equal([200, 1, 200], NumTokens(Step(scheduler)));
        Assert.Equal([100, 1, 200], NumTokens(Step(scheduler)));
    }

    [Fact]
    public void Schedule_GivesALoneRequestAllTokens()
    {
        var scheduler = new Scheduler(Options);
        scheduler.Add(NewRequest("A", 2500));

        Assert.Equal([1000], NumTokens(Step(scheduler)));
        scheduler.Add(NewRequest("B", 10, firstToken: 5000));
        Assert.Equal([200, 10], NumTokens(Step(scheduler)));
        scheduler.Finish("B", Requests.FinishReason.Abort);
        Assert.Equal([1000], NumTokens(Step(scheduler)));
    }

    [Fact]
    public void Schedule_CountsWaitingRequestsThatHaveNoSeat()
    {
        var scheduler = new Scheduler(Options with { MaxNumSeqs = 1 });
        scheduler.Add(NewRequest("A", 900));
        scheduler.Add(NewRequest("B", 10, firstToken: 5000));

        Assert.Equal([200], NumTokens(Step(scheduler)));
    }

    [Fact]
    public void Schedule_RaisesAnAdaptiveThresholdToAnEqualShare()
    {
        var scheduler = new Scheduler(Options with { LongPrefillTokenThresholdAdaptive = true });
        scheduler.Add(NewRequest("A", 3000));
        scheduler.Add(NewRequest("B", 3000, firstToken: 5000));
        Assert.Equal([500, 500], NumTokens(Step(scheduler)));

        for (int i = 0; i < 6; i++) scheduler.Add(NewRequest($"{i}", 1, firstToken: 10_000 + i));
        Assert.Equal([200, 200, 1, 1, 1, 1, 1, 1], NumTokens(Step(scheduler)));
    }

    static IEnumerable<int> NumTokens(SchedulerOutput output) => output.Scheduled.Select(s => s.NumTokens);
}
