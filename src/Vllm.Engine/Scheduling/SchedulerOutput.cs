using Vllm.Engine.Requests;

namespace Vllm.Engine.Scheduling;

/// <summary>What one step computes. The object and its lists are reused by the next step: read it before that.</summary>
sealed class SchedulerOutput
{
    /// <summary>Requests of the step with the number of tokens each computes, running ones first.</summary>
    public List<ScheduledRequest> Scheduled { get; } = [];

    /// <summary>Requests that lost their blocks in this step, in order.</summary>
    public List<Request> Preempted { get; } = [];

    public int TotalNumScheduledTokens { get; set; }
}

/// <summary>One request's share of a step: tokens <c>[NumComputedTokens, NumComputedTokens + NumTokens)</c>.</summary>
/// <param name="Request">The request; its <c>NumComputedTokens</c> already counts this step.</param>
/// <param name="NumComputedTokens">Tokens computed before this step.</param>
/// <param name="NumTokens">Tokens computed in this step.</param>
/// <param name="BlockIds">Physical ids of all its blocks, in order of position; valid during the step.</param>
readonly record struct ScheduledRequest(Request Request, int NumComputedTokens, int NumTokens, IReadOnlyList<int> BlockIds)
{
    /// <summary>The step reaches the request's last token, so that a new one is sampled.</summary>
    public bool ProducesToken => NumComputedTokens + NumTokens == Request.NumTokens;
}
