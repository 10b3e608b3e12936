namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>The reference: what each kernel means, in plain loops.</summary>
sealed class ScalarSamplingKernels : SamplingKernels
{
    public override int Argmax(ReadOnlySpan<float> x)
    {
        int best = 0;
        float max = float.NegativeInfinity;
        for (int i = 0; i < x.Length; i++)
            if (x[i] > max)
                (best, max) = (i, x[i]);
        return best;
    }

    public override float BlockMaxima(ReadOnlySpan<float> x, Span<float> maxima)
    {
        maxima[..NumBlocks(x.Length, MaximaBlock)].Fill(float.NegativeInfinity);
        float max = float.NegativeInfinity;
        for (int i = 0; i < x.Length; i++)
        {
            if (x[i] > maxima[i / MaximaBlock]) maxima[i / MaximaBlock] = x[i];
            if (x[i] > max) max = x[i];
        }
        return max;
    }

    public override double SumExp(ReadOnlySpan<float> x, float max, float temperature, Span<float> sums)
    {
        double total = 0;
        for (int start = 0; start < x.Length; start += SumBlock)
        {
            double sum = 0;
            foreach (float value in x[start..Math.Min(start + SumBlock, x.Length)])
                sum += Weight(value, max, temperature);
            sums[start / SumBlock] = (float)sum;
            total += sum;
        }
        return total;
    }

    public override void Exp(ReadOnlySpan<float> x, float max, float temperature, Span<float> weights)
    {
        for (int i = 0; i < x.Length; i++) weights[i] = Weight(x[i], max, temperature);
    }

    static float Weight(float value, float max, float temperature) =>
        float.IsNaN(value) ? 0 : MathF.Exp((value - max) / temperature);

    public override void Divide(Span<float> x, float divisor)
    {
        for (int i = 0; i < x.Length; i++) x[i] /= divisor;
    }

    public override int Collect(
        ReadOnlySpan<float> x, ReadOnlySpan<float> maxima, float threshold, Span<float> values, Span<int> ids)
    {
        int count = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (!(x[i] >= threshold)) continue;
            values[count] = x[i];
            ids[count++] = i;
        }
        return count;
    }

    public override int CountAtLeast(ReadOnlySpan<float> x, float threshold)
    {
        int count = 0;
        foreach (float value in x)
            if (value >= threshold)
                count++;
        return count;
    }

    public override int CountAtLeast(ReadOnlySpan<float> x, float a, float b, float threshold)
    {
        int count = 0;
        foreach (float value in x)
            if (value - a - b >= threshold)
                count++;
        return count;
    }

    public override double MassAtLeast(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float threshold)
    {
        double mass = 0;
        for (int i = 0; i < values.Length; i++)
            if (values[i] >= threshold)
                mass += weights[i];
        return mass;
    }

    public override int CollectBetween(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float low, float high,
        Span<float> keptValues, Span<float> keptWeights)
    {
        int count = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (!(values[i] >= low) || values[i] >= high) continue;
            keptValues[count] = values[i];
            keptWeights[count++] = weights[i];
        }
        return count;
    }

    public override int Race(ReadOnlySpan<float> weights, ReadOnlySpan<float> exponential)
    {
        int best = 0;
        float max = float.NegativeInfinity;
        for (int i = 0; i < weights.Length; i++)
        {
            float score = weights[i] / exponential[i];
            if (score > max) (best, max) = (i, score);
        }
        return best;
    }
}
