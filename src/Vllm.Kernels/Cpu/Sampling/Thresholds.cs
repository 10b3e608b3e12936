namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>
/// Exact top-k and top-p cuts without a sort: a cut is a float, floats in order are integers in order, and so at most
/// 32 counting passes over the few candidates bisect it. No worst case: a flat row costs 32 passes, not a sort.
/// </summary>
public static class Thresholds
{
    /// <summary>The k-th largest element, equal ones counted one by one; k is at least 1 and at most the number of
    /// elements that are not NaN.</summary>
    public static float KthLargest(this SamplingKernels kernels, ReadOnlySpan<float> x, int k) =>
        CountCut(kernels, x, k, enough: 0);

    /// <summary>A float that at least k and at most 4·k elements reach, if there is one: some passes over a long row
    /// that leave few elements to a search for the exact one.</summary>
    public static float LowerBoundOfKthLargest(this SamplingKernels kernels, ReadOnlySpan<float> x, int k) =>
        CountCut(kernels, x, k, enough: 4L * k);

    static float CountCut(SamplingKernels kernels, ReadOnlySpan<float> x, int k, long enough)
    {
        // Invariant: at least k elements are ≥ low, fewer are ≥ high.
        long low = Key(float.NegativeInfinity), high = Key(float.PositiveInfinity) + 1L;
        while (high - low > 1)
        {
            long middle = (low + high) >> 1;
            int count = kernels.CountAtLeast(x, Value((int)middle));
            if (count < k)
            {
                high = middle;
                continue;
            }
            low = middle;
            if (count <= enough) break;
        }
        return Value((int)low);
    }

    /// <summary>The largest float t for which the values ≥ t weigh at least <paramref name="target"/>, or minus
    /// infinity when all together weigh less.</summary>
    /// <param name="kernels">Makes the passes.</param>
    /// <param name="values">In any order.</param>
    /// <param name="weights">At least as many.</param>
    /// <param name="target">Weight to be reached.</param>
    /// <param name="scratch">[2 * values.Length]; overwritten.</param>
    public static float MassCut(
        this SamplingKernels kernels, ReadOnlySpan<float> values, ReadOnlySpan<float> weights, double target,
        Span<float> scratch) => MassSearch.Cut(kernels, values, weights, target, scratch);

    /// <summary>The smallest x ≤ <paramref name="high"/> whose fp32 quotient x / <paramref name="divisor"/> is at least
    /// <paramref name="quotient"/>: a cut that is defined after the temperature, carried back to the logits.</summary>
    public static float LowestDividend(double quotient, float divisor, float high)
    {
        long no = Key(float.NegativeInfinity), yes = Key(high);
        while (yes - no > 1)
        {
            long middle = (no + yes) >> 1;
            if (Value((int)middle) / divisor >= quotient) yes = middle;
            else no = middle;
        }
        return Value((int)yes);
    }

    // Floats as integers in the same order: negative ones have their magnitude bits inverted.
    internal static int Key(float value) => Reorder(BitConverter.SingleToInt32Bits(value));

    internal static float Value(int key) => BitConverter.Int32BitsToSingle(Reorder(key));

    static int Reorder(int bits) => bits ^ ((bits >> 31) & int.MaxValue);
}
