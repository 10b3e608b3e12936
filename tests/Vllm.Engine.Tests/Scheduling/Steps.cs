using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Requests of consecutive token ids, and steps that are followed by the integrity check.</summary>
static class Steps
{
    /// <summary>A whole step in which every request gets token 0.</summary>
    public static SchedulerOutput Step(Scheduler scheduler)
    {
        SchedulerOutput output = scheduler.Schedule();
        Update(scheduler, output);
        return output;
    }

    /// <summary>A whole step of a model that notices what it should not read.</summary>
    public static SchedulerOutput Step(Scheduler scheduler, FakeModel model)
    {
        SchedulerOutput output = scheduler.Schedule();
        scheduler.Update(output, model.Execute(output), []);
        scheduler.CheckIntegrity();
        return output;
    }

    public static void Update(Scheduler scheduler, SchedulerOutput output)
    {
        scheduler.Update(output, new int[output.Scheduled.Count(s => s.ProducesToken)], []);
        scheduler.CheckIntegrity();
    }

    public static Request NewRequest(string id, int numTokens, int firstToken = 0, int maxTokens = 100,
        string? salt = null, int priority = 0, double arrivalTime = 0, SamplingParams? sampling = null) =>
        new(id, [.. Enumerable.Range(firstToken, numTokens)], sampling ?? new SamplingParams(), maxTokens)
        {
            CacheSalt = salt,
            Priority = priority,
            ArrivalTime = arrivalTime,
        };
}
