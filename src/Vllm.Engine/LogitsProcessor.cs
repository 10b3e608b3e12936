namespace Vllm;

/// <summary>
/// A user's own change to the logits before a token is chosen: after the logit bias and before the penalties, as in vLLM.
/// Given to the engine in <see cref="EngineOptions.LogitsProcessors"/>, or loaded by <c>--logits-processors</c>.
/// One instance serves all requests, and rows of a step run at the same time on the device's workers: an implementation
/// must be thread-safe, and what it does to a row may depend on that row only, else an answer would depend on who else is
/// being served. An exception fails the request that it happened for.
/// </summary>
public abstract class LogitsProcessor
{
    /// <summary>Checks a request before it is accepted, on the caller's thread.</summary>
    /// <exception cref="ArgumentException">The request's arguments are not valid; says which and why.</exception>
    public virtual void Validate(SamplingParams samplingParams) { }

    /// <summary>Whether it has something to do for a request, asked once per request. By default always.</summary>
    public virtual bool IsActive(SamplingParams samplingParams) => true;

    /// <summary>Changes the logits of a row, once per token.</summary>
    /// <param name="row">The request so far; valid during the call.</param>
    /// <param name="logits">[vocabSize], changed in place; minus infinity bans a token.</param>
    public abstract void Process(in LogitsContext row, Span<float> logits);
}

/// <summary>The request whose next token is being chosen.</summary>
public readonly ref struct LogitsContext
{
    internal LogitsContext(ReadOnlySpan<int> promptTokenIds, ReadOnlySpan<int> outputTokenIds, SamplingParams samplingParams)
    {
        PromptTokenIds = promptTokenIds;
        OutputTokenIds = outputTokenIds;
        SamplingParams = samplingParams;
    }

    public ReadOnlySpan<int> PromptTokenIds { get; }

    /// <summary>The tokens generated so far.</summary>
    public ReadOnlySpan<int> OutputTokenIds { get; }

    /// <summary>With <see cref="SamplingParams.ExtraArgs"/>.</summary>
    public SamplingParams SamplingParams { get; }
}
