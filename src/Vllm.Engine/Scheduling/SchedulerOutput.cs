using Vllm.Engine.KvCache;
using Vllm.Engine.Requests;

namespace Vllm.Engine.Scheduling;

/// <summary>What one step computes. The object and its lists are reused by the next step: read it before
/// that.</summary>
sealed class SchedulerOutput(BlockCopies? copies)
{
    /// <summary>Copies between cache and host that come before everything else; null without a host tier.</summary>
    public BlockCopies? Copies { get; } = copies;

    /// <summary>Requests of the step with the number of tokens each computes, running ones first.</summary>
    public List<ScheduledRequest> Scheduled { get; } = [];

    /// <summary>Requests that lost their blocks in this step, in order.</summary>
    public List<Request> Preempted { get; } = [];

    /// <summary>Requests that ended since the step before, in whatever way: what is kept for them can go.</summary>
    public List<Request> Finished { get; } = [];

    public int TotalNumScheduledTokens { get; set; }
}

/// <summary>One request's share of a step: tokens <c>[NumComputedTokens, NumComputedTokens + NumTokens)</c>.</summary>
/// <param name="Request">The request; its <c>NumComputedTokens</c> already counts this step.</param>
/// <param name="NumComputedTokens">Tokens computed before this step.</param>
/// <param name="NumTokens">Tokens computed in this step.</param>
/// <param name="BlockIds">Physical ids of all its blocks, in order of position; valid during the step, even when the
/// request is aborted meanwhile.</param>
readonly record struct ScheduledRequest(
    Request Request, int NumComputedTokens, int NumTokens, ReadOnlyMemory<int> BlockIds)
{
    /// <summary>The step reaches the request's last token, so that a new one is sampled. Decided when the step is made:
    /// it stays true after the new token was appended.</summary>
    public bool ProducesToken { get; } = NumComputedTokens + NumTokens == Request.NumTokens;
}
