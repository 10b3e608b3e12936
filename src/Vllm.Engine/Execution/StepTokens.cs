using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;

namespace Vllm.Engine.Execution;

/// <summary>The tokens of one step on their way from the engine thread to the output processor, with copies of what is
/// said about their requests: the requests themselves go on changing.</summary>
sealed class StepTokens
{
    public List<NewToken> Tokens { get; } = [];

    public void Fill(SchedulerOutput step, SamplerOutput sampled)
    {
        Tokens.Clear();
        int row = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(step.Scheduled))
        {
            if (!scheduled.ProducesToken) continue;
            Request request = scheduled.Request;
            Tokens.Add(new NewToken(
                request, sampled.TokenIds[row], sampled.Logprobs[row], request.FinishReason, request.StopTokenId,
                Math.Max(request.NumCachedTokens, 0), request.NumOutputTokens == 1 && request.SamplingParams.PromptLogprobs is not null ? request.PromptLogprobs : null));
            row++;
        }
    }
}

/// <param name="Request">Whose token; only its immutable part may be read outside the engine thread.</param>
/// <param name="TokenId">The token.</param>
/// <param name="Logprobs">Null when not asked for.</param>
/// <param name="FinishReason">Not null with the request's last token.</param>
/// <param name="StopTokenId">The stop token that ended the request, if one did.</param>
/// <param name="NumCachedTokens">Prompt tokens taken from the prefix cache.</param>
/// <param name="PromptLogprobs">With the first token, when asked for: of the prompt's tokens from the second on.</param>
readonly record struct NewToken(
    Request Request, int TokenId, SampledLogprobs? Logprobs, FinishReason? FinishReason, int? StopTokenId,
    int NumCachedTokens, IReadOnlyList<SampledLogprobs>? PromptLogprobs);

/// <summary>Keeps <see cref="StepTokens"/> for reuse, so that a step allocates nothing.</summary>
sealed class StepTokensPool
{
    readonly ConcurrentQueue<StepTokens> _free = new();

    public StepTokens Rent() => _free.TryDequeue(out StepTokens? tokens) ? tokens : new StepTokens();

    public void Return(StepTokens tokens) => _free.Enqueue(tokens);
}
