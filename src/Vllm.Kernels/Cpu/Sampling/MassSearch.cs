namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>
/// The exact cut of top-p with few passes over a long list. Invariant: the values ≥ low weigh at least
/// the target, those ≥ high less; bounds are the <see cref="Thresholds.Key"/>s of floats.
/// 1. A sample of the list says near which values the cut is; two passes there leave a narrow bracket.
/// 2. What is in the bracket is copied and searched alone, in the same way. Its sums are rounded in another order than
///    those over the whole list, so what it gives is a guess.
/// 3. Two passes over the whole list confirm the guess. If one does not, bisection goes on from there.
/// The result is therefore that of bisection over the whole list, which takes 32 passes.
/// </summary>
ref struct MassSearch
{
    /// <summary>So few values are bisected at once: 32 passes take about a microsecond.</summary>
    const int MaxBisected = 512;

    const int NumSamples = 128;

    /// <summary>How many samples above and below the expected cut the bracket reaches.</summary>
    const int Margin = NumSamples / 16;

    /// <summary>Each narrows the list to about an eighth unless most values are equal.</summary>
    const int MaxRounds = 4;

    readonly SamplingKernels _kernels;
    readonly double _target;
    ReadOnlySpan<float> _values, _weights;
    double _droppedAbove; // weight of the values ≥ high that are no longer in the list
    long _low, _high;
    double _massAtLow, _massAtHigh;

    MassSearch(SamplingKernels kernels, ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double target)
    {
        _kernels = kernels;
        _values = values;
        _weights = weights;
        _target = target;
        _low = Thresholds.Key(float.NegativeInfinity);
        _high = Thresholds.Key(float.PositiveInfinity) + 1L;
        _massAtLow = kernels.MassAtLeast(values, weights, float.NegativeInfinity);
    }

    /// <summary>As <see cref="Thresholds.MassCut"/>.</summary>
    public static float Cut(
        SamplingKernels kernels, ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double target, Span<float> scratch)
    {
        var search = new MassSearch(kernels, values, weights, target);
        if (search._massAtLow < target) return float.NegativeInfinity;
        if (values.Length > MaxBisected)
        {
            search.ProbeAroundSample();
            long guess = search.Guess(scratch[..values.Length], scratch.Slice(values.Length, values.Length));
            search.Probe(guess);
            search.Probe(guess + 1);
        }
        search.Bisect();
        return Thresholds.Value((int)search._low);
    }

    readonly long Guess(Span<float> keptValues, Span<float> keptWeights)
    {
        MassSearch rest = this;
        for (int round = 0; round < MaxRounds && !rest.IsDone && rest._values.Length > MaxBisected; round++)
        {
            rest.Narrow(keptValues, keptWeights);
            rest.ProbeAroundSample();
        }
        rest.Bisect();
        return rest._low;
    }

    readonly bool IsDone => _high - _low <= 1;

    void Bisect()
    {
        while (!IsDone) Probe((_low + _high) >> 1);
    }

    void Probe(long key)
    {
        if (key <= _low || key >= _high) return;
        double mass = _droppedAbove + _kernels.MassAtLeast(_values, _weights, Thresholds.Value((int)key));
        if (mass >= _target) (_low, _massAtLow) = (key, mass);
        else (_high, _massAtHigh) = (key, mass);
    }

    /// <summary>Keeps what is in the bracket.</summary>
    void Narrow(Span<float> keptValues, Span<float> keptWeights)
    {
        // The bound above infinity is NaN, which no value reaches.
        int count = _kernels.CollectBetween(_values, _weights, Thresholds.Value((int)_low), Thresholds.Value((int)_high),
            keptValues, keptWeights);
        _values = keptValues[..count];
        _weights = keptWeights[..count];
        _droppedAbove = _massAtHigh;
    }

    /// <summary>Probes a little above and below where the cut is in a sample.</summary>
    void ProbeAroundSample()
    {
        int numSamples = Math.Min(NumSamples, _values.Length);
        if (numSamples == 0) return;
        Span<float> values = stackalloc float[numSamples], weights = stackalloc float[numSamples];
        double total = 0;
        for (int i = 0; i < numSamples; i++)
        {
            int at = (int)((long)i * _values.Length / numSamples);
            values[i] = _values[at];
            total += weights[i] = _weights[at];
        }
        values.Sort(weights);

        double wanted = total * (_target - _massAtHigh) / (_massAtLow - _massAtHigh);
        int cut = numSamples;
        for (double mass = 0; cut > 0 && mass < wanted;) mass += weights[--cut];
        // The next float after the upper one, so that equal values leave a bracket of one float.
        Probe(Thresholds.Key(values[Math.Min(cut + Margin, numSamples - 1)]) + 1L);
        Probe(Thresholds.Key(values[Math.Max(cut - Margin, 0)]));
    }
}
