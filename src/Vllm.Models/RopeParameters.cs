namespace Vllm.Models;

/// <summary>How rotary frequencies are scaled; the names of Hugging Face's <c>rope_type</c>.</summary>
public enum RopeType
{
    Default,
    Linear,
    Dynamic,
    Yarn,
    LongRope,
    Llama3,
}

/// <summary>
/// Rotary position embedding, the values of Hugging Face's <c>rope_parameters</c> (older: <c>rope_scaling</c>).
/// </summary>
public sealed record RopeParameters
{
    public RopeType RopeType { get; init; }

    public double RopeTheta { get; init; } = 10_000;

    /// <summary>Leading elements of a head that are rotated: head_dim × partial_rotary_factor.</summary>
    public required int RotaryDim { get; init; }

    public double Factor { get; init; } = 1;

    /// <summary>Context length before scaling; the model's own where the checkpoint names none.</summary>
    public required int OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>Factor on cos and sin; null: what the type derives from <see cref="Factor"/> or the mscales.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>yarn: rotations between which frequencies are blended.</summary>
    public double BetaFast { get; init; } = 32;

    public double BetaSlow { get; init; } = 1;

    public double? Mscale { get; init; }

    public double? MscaleAllDim { get; init; }

    /// <summary>yarn: whether the bounds of the blend are rounded to whole dimensions.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>llama3: wavelengths beyond original length / LowFreqFactor are scaled in full.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>llama3: wavelengths below original length / HighFreqFactor stay.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>longrope: a divisor for each frequency, up to the original length and beyond it.</summary>
    public IReadOnlyList<double>? ShortFactor { get; init; }

    public IReadOnlyList<double>? LongFactor { get; init; }
}
