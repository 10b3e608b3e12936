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
            Frequencies(config, config.RopeParameters, context.MaxModelLen);
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
        ModelConfig config, RopeParameters rope, int maxModelLen)
    {
        int dim = config.RotaryDim;
        return rope.RopeType switch
        {
            "default" => (Plain(rope.RopeTheta, dim), 1),
            "linear" => (Divide(Plain(rope.RopeTheta, dim), Required(config, rope.Factor, "factor")), 1),
            "dynamic" => (Dynamic(config, rope, dim, maxModelLen), 1),
            "yarn" => Yarn(config, rope, dim),
            "longrope" => LongRope(config, rope, dim, maxModelLen),
            "llama3" => (Llama3(config, rope, dim), 1),
            _ => throw new Loading.ModelLoadException(config.Source, "rope_type",
                "default, linear, dynamic, yarn, longrope or llama3", rope.RopeType),
        };
    }

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

    static float[] Dynamic(ModelConfig config, RopeParameters rope, int dim, int maxModelLen)
    {
        double factor = Required(config, rope.Factor, "factor");
        double trained = config.MaxPositionEmbeddings;
        double length = Math.Max(maxModelLen, trained);
        double theta = rope.RopeTheta * Math.Pow(factor * length / trained - (factor - 1), (double)dim / (dim - 2));
        return Plain(theta, dim);
    }

    /// <summary>Low frequencies are interpolated, high ones kept, with a ramp between (arXiv 2309.00071).</summary>
    static (float[], float) Yarn(ModelConfig config, RopeParameters rope, int dim)
    {
        double factor = Required(config, rope.Factor, "factor");
        double trained = rope.OriginalMaxPositionEmbeddings ?? config.MaxPositionEmbeddings;
        double low = CorrectionDim(rope.BetaFast ?? 32, dim, rope.RopeTheta, trained);
        double high = CorrectionDim(rope.BetaSlow ?? 1, dim, rope.RopeTheta, trained);
        if (rope.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, dim - 1));
        if (low == high) high += 0.001; // a ramp of no width divides by zero

        float[] frequencies = Plain(rope.RopeTheta, dim);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double interpolated = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (float)(frequencies[i] / factor * interpolated + frequencies[i] * (1 - interpolated));
        }
        return (frequencies, (float)(rope.AttentionFactor ?? YarnAttentionFactor(rope, factor)));
    }

    static double CorrectionDim(double numRotations, int dim, double theta, double trained) =>
        dim * Math.Log(trained / (numRotations * 2 * Math.PI)) / (2 * Math.Log(theta));

    static double YarnAttentionFactor(RopeParameters rope, double factor)
    {
        return rope is { Mscale: { } mscale and not 0, MscaleAllDim: { } allDim and not 0 }
            ? Mscale(factor, mscale) / Mscale(factor, allDim)
            : Mscale(factor, 1);

        static double Mscale(double scale, double weight) => scale <= 1 ? 1 : 0.1 * weight * Math.Log(scale) + 1;
    }

    static (float[], float) LongRope(ModelConfig config, RopeParameters rope, int dim, int maxModelLen)
    {
        double trained = rope.OriginalMaxPositionEmbeddings ?? config.MaxPositionEmbeddings;
        bool isLong = maxModelLen > trained;
        IReadOnlyList<float>? divisors = isLong ? rope.LongFactor : rope.ShortFactor;
        float[] frequencies = Plain(rope.RopeTheta, dim);
        if (divisors?.Count != frequencies.Length)
        {
            throw new Loading.ModelLoadException(config.Source, isLong ? "long_factor" : "short_factor",
                $"{frequencies.Length} numbers", $"{divisors?.Count ?? 0}");
        }
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = 1 / (divisors[i] * (float)Math.Pow(rope.RopeTheta, (float)(2 * i) / dim));

        double factor = rope.Factor ?? config.MaxPositionEmbeddings / trained;
        double attention = rope.AttentionFactor
            ?? (factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(trained)));
        return (frequencies, (float)attention);
    }

    static float[] Llama3(ModelConfig config, RopeParameters rope, int dim)
    {
        double factor = Required(config, rope.Factor, "factor");
        double low = Required(config, rope.LowFreqFactor, "low_freq_factor");
        double high = Required(config, rope.HighFreqFactor, "high_freq_factor");
        double trained = Required(config, rope.OriginalMaxPositionEmbeddings, "original_max_position_embeddings");
        float[] frequencies = Plain(rope.RopeTheta, dim);
        for (int i = 0; i < frequencies.Length; i++)
        {
            double wavelength = 2 * Math.PI / frequencies[i];
            double smooth = Math.Clamp((trained / wavelength - low) / (high - low), 0, 1); // 0: long waves, 1: short
            frequencies[i] = (float)((1 - smooth) * frequencies[i] / factor + smooth * frequencies[i]);
        }
        return frequencies;
    }

    static double Required(ModelConfig config, double? value, string key) =>
        value ?? throw new Loading.ModelLoadException(config.Source, "rope_parameters." + key, "a number", "nothing");
}
