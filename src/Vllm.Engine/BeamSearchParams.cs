using Vllm.Engine.Sampling;

namespace Vllm;

/// <summary>How a beam search runs. Names, defaults and rules are vLLM's (<c>vllm.BeamSearchParams</c>).</summary>
public sealed record BeamSearchParams
{
    /// <summary>Sequences kept per step and returned, 1…16,384. Each step asks for twice as many log-probabilities, which
    /// <see cref="EngineOptions.MaxLogprobs"/> limits.</summary>
    public required int BeamWidth { get; init; }

    /// <summary>Most tokens to generate.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Go on after the end-of-sequence token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Passed to the requests of the steps; the scores are raw log-probabilities whatever it is.</summary>
    public float Temperature { get; init; }

    /// <summary>A score is the log-probability divided by length^this: above 0 favours long sequences.</summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>Keep the end token in the answer.</summary>
    public bool IncludeStopStrInOutput { get; init; }

    /// <summary>Leave special tokens out of the text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>All rules broken.</summary>
    public IReadOnlyList<ParameterError> Validate() =>
        SamplingParamsRules.CheckNumSequences(BeamWidth, "beam_width") is { } error ? [error] : [];
}
