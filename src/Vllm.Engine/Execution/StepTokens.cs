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

    /// <summary>Requests that ended without a token because sampling one failed.</summary>
    public List<FailedRequest> Failed { get; } = [];

    /// <summary>When the tokens were made: a timestamp of the engine's clock.</summary>
    public long Time { get; private set; }

    public void Fill(SchedulerOutput step, SamplerOutput sampled, long time)
    {
        Clear();
        Time = time;
        int row = 0;
        foreach (ref readonly ScheduledRequest scheduled in CollectionsMarshal.AsSpan(step.Scheduled))
        {
            if (!scheduled.ProducesToken) continue;
            Request request = scheduled.Request;
            if (sampled.Errors[row] is { } error) Failed.Add(new FailedRequest(request, error.Message));
            else Tokens.Add(TokenOf(request, sampled, row));
            row++;
        }
    }

    public void Clear()
    {
        Tokens.Clear();
        Failed.Clear();
    }

    static NewToken TokenOf(Request request, SamplerOutput sampled, int row)
    {
        bool hasPromptLogprobs = request.NumOutputTokens == 1 && request.SamplingParams.PromptLogprobs is not null;
        return new NewToken
        {
            Request = request,
            TokenId = sampled.TokenIds[row],
            Logprobs = sampled.Logprobs[row],
            FinishReason = request.FinishReason,
            StopTokenId = request.StopTokenId,
            NumCachedTokens = Math.Max(request.NumCachedTokens, 0),
            NumPreemptions = request.NumPreemptions,
            FirstScheduledTime = request.FirstScheduledTime,
            PromptLogprobs = hasPromptLogprobs ? request.PromptLogprobs : null,
        };
    }
}

/// <summary>A token and what was true of its request when it was made.</summary>
readonly record struct NewToken
{
    /// <summary>Whose token; only its immutable part may be read outside the engine thread.</summary>
    public required Request Request { get; init; }

    public required int TokenId { get; init; }

    /// <summary>Null when not asked for.</summary>
    public required SampledLogprobs? Logprobs { get; init; }

    /// <summary>Not null with the request's last token.</summary>
    public required FinishReason? FinishReason { get; init; }

    /// <summary>The stop token that ended the request, if one did.</summary>
    public required int? StopTokenId { get; init; }

    /// <summary>Prompt tokens taken from the prefix cache.</summary>
    public required int NumCachedTokens { get; init; }

    public required int NumPreemptions { get; init; }

    /// <summary>When the request got its first step.</summary>
    public required long FirstScheduledTime { get; init; }

    /// <summary>With the first token, when asked for: of the prompt's tokens from the second on.</summary>
    public required IReadOnlyList<SampledLogprobs>? PromptLogprobs { get; init; }
}

readonly record struct FailedRequest(Request Request, string Error);

/// <summary>Keeps <see cref="StepTokens"/> for reuse, so that a step allocates nothing.</summary>
sealed class StepTokensPool
{
    readonly ConcurrentQueue<StepTokens> _free = new();

    public StepTokens Rent() => _free.TryDequeue(out StepTokens? tokens) ? tokens : new StepTokens();

    public void Return(StepTokens tokens) => _free.Enqueue(tokens);
}
