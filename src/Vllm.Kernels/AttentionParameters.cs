namespace Vllm.Kernels;

/// <summary>What attention does to scores and sums besides the softmax; one per layer. With s the score q·k of a query
/// at position i and a key at position j ≤ i:
/// <code>
/// s = Scale s;  s = SoftCap tanh(s / SoftCap);  s = s + AlibiSlopes[head] (j - i);  p = e^s / (e^Sinks[head] + Σ e^s)
/// </code>
/// where each step that is not asked for falls away.</summary>
public sealed record AttentionParameters
{
    /// <summary>Factor of the scores.</summary>
    public required float Scale { get; init; }

    /// <summary>A token sees itself and the Window - 1 tokens before it; 0 = all.</summary>
    public int Window { get; init; }

    /// <summary>Bound of the scores, reached by tanh; 0 = none.</summary>
    public float SoftCap { get; init; }

    /// <summary>F32 [1, numHeads]: what a head's scores lose per token of distance.</summary>
    public Tensor? AlibiSlopes { get; init; }

    /// <summary>F32 [1, numHeads]: score of a token without a value, which takes its share of the sum.</summary>
    public Tensor? Sinks { get; init; }
}
