using Vllm.Kernels;
using Vllm.Models.Architectures;

namespace Vllm.Models.Layers;

/// <summary>
/// The table of cosines and sines of a model: row p holds cos(p·f) of its rotaryDim / 2 frequencies, then sin(p·f).
/// Formulas of the scalings: transformers, <c>modeling_rope_utils.py</c>. Where a scaling depends on the sequence's
/// length (dynamic, longrope), the longest sequence that the engine admits decides, once: a key in the cache must not
/// depend on what comes after it. vLLM decides longrope the same way.
/// </summary>
public static class RotaryEmbedding
{
    /// <returns>[maxModelLen, rotaryDim]</returns>
    public static Tensor CreateTable(ModelContext context)
    {
        ModelConfig config = context.Config;
        (float[] inverseFrequencies, float attentionFactor) =
            Frequencies(config.Rope, config.MaxPositionEmbeddings, context.MaxModelLen);
        // GGUF files of llama-3.1 carry their scaling as divisors.
        if (context.Weights.TryVector("rope_freqs.weight", inverseFrequencies.Length) is { } divisors)
            for (int i = 0; i < divisors.Length; i++) inverseFrequencies[i] /= divisors[i];

        int half = inverseFrequencies.Length;
        Tensor table = context.Device.Allocate(DType.F32, context.MaxModelLen, 2 * half);
        for (int position = 0; position < context.MaxModelLen; position++)
        {
            Span<float> row = table.Row<float>(position);
            for (int i = 0; i < half; i++)
            {
                float angle = position * inverseFrequencies[i]; // rounded to fp32 as the reference does
                (double sin, double cos) = Math.SinCos(angle);
                row[i] = (float)(cos * attentionFactor);
                row[half + i] = (float)(sin * attentionFactor);
            }
        }
        return table;
    }

    static (float[] InverseFrequencies, float AttentionFactor) Frequencies(
        RopeParameters rope, int maxPositionEmbeddings, int maxModelLen) => rope.RopeType switch
        {
            RopeType.Default => (Plain(rope), 1),
            RopeType.Linear => (Divide(Plain(rope), rope.Factor), 1),
            RopeType.Dynamic => (Dynamic(rope, maxPositionEmbeddings, maxModelLen), 1),
            RopeType.Yarn => (Yarn(rope), YarnAttentionFactor(rope)),
            RopeType.LongRope => (LongRope(rope, maxModelLen), LongRopeAttentionFactor(rope, maxPositionEmbeddings)),
            RopeType.Llama3 => (Llama3(rope), 1),
            _ => throw new ArgumentOutOfRangeException(nameof(rope), rope.RopeType, null),
        };

    static float[] Plain(RopeParameters rope) => Plain(rope.RopeTheta, rope.RotaryDim);

    static float[] Plain(double theta, int dim)
    {
        var frequencies = new float[dim / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = 1 / (float)Math.Pow(theta, (float)(2 * i) / dim);
        return frequencies;
    }

    static float[] Divide(float[] frequencies, double factor)
    {
        for (int i = 0; i < frequencies.Length; i++) frequencies[i] = (float)(frequencies[i] / factor);
        return frequencies;
    }

    static float[] Dynamic(RopeParameters rope, double trained, int maxModelLen)
    {
        double dim = rope.RotaryDim;
        double stretch = rope.Factor * Math.Max(maxModelLen, trained) / trained - (rope.Factor - 1);
        return Plain(rope.RopeTheta * Math.Pow(stretch, dim / (dim - 2)), rope.RotaryDim);
    }

    /// <summary>Low frequencies are interpolated, high ones kept, with a ramp between (arXiv 2309.00071).</summary>
    static float[] Yarn(RopeParameters rope)
    {
        double low = CorrectionDim(rope, rope.BetaFast);
        double high = CorrectionDim(rope, rope.BetaSlow);
        if (rope.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, rope.RotaryDim - 1));
        if (low == high) high += 0.001; // a ramp of no width would divide by zero

        float[] frequencies = Plain(rope);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double interpolated = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (float)(frequencies[i] / rope.Factor * interpolated + frequencies[i] * (1 - interpolated));
        }
        return frequencies;
    }

    static double CorrectionDim(RopeParameters rope, double numRotations) =>
        rope.RotaryDim * Math.Log(rope.OriginalMaxPositionEmbeddings / (numRotations * 2 * Math.PI))
        / (2 * Math.Log(rope.RopeTheta));

    static float YarnAttentionFactor(RopeParameters rope)
    {
        if (rope.AttentionFactor is { } given) return (float)given;
        return (float)(rope is { Mscale: { } mscale and not 0, MscaleAllDim: { } allDim and not 0 }
            ? Mscale(rope.Factor, mscale) / Mscale(rope.Factor, allDim)
            : Mscale(rope.Factor, 1));

        static double Mscale(double scale, double weight) => scale <= 1 ? 1 : 0.1 * weight * Math.Log(scale) + 1;
    }

    static float[] LongRope(RopeParameters rope, int maxModelLen)
    {
        IReadOnlyList<double> divisors =
            (maxModelLen > rope.OriginalMaxPositionEmbeddings ? rope.LongFactor : rope.ShortFactor)!;
        float[] frequencies = Plain(rope);
        for (int i = 0; i < frequencies.Length; i++) frequencies[i] = (float)(frequencies[i] / divisors[i]);
        return frequencies;
    }

    static float LongRopeAttentionFactor(RopeParameters rope, double maxPositionEmbeddings)
    {
        if (rope.AttentionFactor is { } given) return (float)given;
        double factor = rope.Factor != 1 ? rope.Factor : maxPositionEmbeddings / rope.OriginalMaxPositionEmbeddings;
        return factor <= 1 ? 1 : (float)Math.Sqrt(1 + Math.Log(factor) / Math.Log(rope.OriginalMaxPositionEmbeddings));
    }

    static float[] Llama3(RopeParameters rope)
    {
        double trained = rope.OriginalMaxPositionEmbeddings;
        float[] frequencies = Plain(rope);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double wavelength = 2 * Math.PI / frequencies[i];
            // 0: long waves, scaled; 1: short waves, kept
            double smooth = Math.Clamp(
                (trained / wavelength - rope.LowFreqFactor) / (rope.HighFreqFactor - rope.LowFreqFactor), 0, 1);
            frequencies[i] = (float)((1 - smooth) * frequencies[i] / rope.Factor + smooth * frequencies[i]);
        }
        return frequencies;
    }
}
