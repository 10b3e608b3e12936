using Vllm.Kernels;

namespace Vllm.Tests.Attention;

/// <summary>Numbers of 8 bits by search among all that there are, to compare with.</summary>
static class Nearest
{
    static readonly double[] E4M3 = Magnitudes(numMantissaBits: 3, bias: 7, max: 448);
    static readonly double[] E5M2 = Magnitudes(numMantissaBits: 2, bias: 15, max: 57344);

    /// <summary>The float nearest to a value, of two the one with an even code; too large values become the largest.</summary>
    public static double Float(float value, DType dtype)
    {
        double[] magnitudes = dtype == DType.F8E4M3 ? E4M3 : E5M2;
        double target = Math.Min(Math.Abs((double)value), magnitudes[^1]);
        int best = 0;
        for (int i = 1; i < magnitudes.Length; i++)
        {
            double difference = Math.Abs(magnitudes[i] - target) - Math.Abs(magnitudes[best] - target);
            if (difference < 0 || (difference == 0 && i % 2 == 0)) best = i;
        }
        return Math.CopySign(magnitudes[best], value);
    }

    /// <summary>What one of 127 stands for among the values of a token and head.</summary>
    public static float Scale(ReadOnlySpan<float> values)
    {
        float max = 0;
        foreach (float value in values) max = Math.Max(max, Math.Abs(value));
        return max / 127;
    }

    static double[] Magnitudes(int numMantissaBits, int bias, double max)
    {
        var magnitudes = new List<double>();
        int numMantissas = 1 << numMantissaBits;
        for (int exponent = 0; ; exponent++)
            for (int mantissa = 0; mantissa < numMantissas; mantissa++)
            {
                double fraction = (double)mantissa / numMantissas;
                magnitudes.Add(exponent == 0 ? fraction * Math.Pow(2, 1 - bias) : (1 + fraction) * Math.Pow(2, exponent - bias));
                if (magnitudes[^1] == max) return [.. magnitudes];
            }
    }
}
