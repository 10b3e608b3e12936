using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>The float operations of one vector width, so that each kernel is written once.</summary>
unsafe interface IVectorWidth<TVector>
    where TVector : unmanaged
{
    static abstract int Count { get; }

    static abstract TVector Create(float value);

    static abstract TVector Load(float* source);

    static abstract void Store(TVector value, float* target);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>The larger one, and <paramref name="other"/> where <paramref name="value"/> is NaN.</summary>
    static abstract TVector MaxIgnoringNaN(TVector value, TVector other);

    /// <summary>2^x for x ≤ 0; relative error below 2e-6; 0 for NaN and below 2^-125. The same bits at every width, on
    /// hardware that has fused multiplication and addition.</summary>
    static abstract TVector Exp2(TVector x);

    /// <summary>One bit per lane: a ≥ b.</summary>
    static abstract uint MaskAtLeast(TVector a, TVector b);

    /// <summary>Per lane: a ≥ b ? value : 0.</summary>
    static abstract TVector SelectAtLeast(TVector a, TVector b, TVector value);

    static abstract bool AnyGreater(TVector a, TVector b);

    /// <summary>Writes those of a vector's elements that are ≥ bound, and their numbers counted from
    /// <paramref name="firstId"/>, one after another; returns how many. May write a whole vector to each.</summary>
    static abstract int Collect(float* source, TVector bound, int firstId, float* values, int* ids);

    /// <summary>Writes those values that are ≥ low and not ≥ high, and their weights, one after another; returns how
    /// many. May write a whole vector to each.</summary>
    static abstract int CollectBetween(
        float* values, float* weights, TVector low, TVector high, float* keptValues, float* keptWeights);

    /// <summary>The larger of both halves, until 4 lanes are left.</summary>
    static abstract Vector128<float> MaxOf4(TVector value);
}

/// <summary>Coefficients of 2^f on [-0.5, 0.5], with p(0) = 1, fitted for the smallest relative error.</summary>
static class Exp2Polynomial
{
    public const float C5 = 0.0013264727f;
    public const float C4 = 0.009671513f;
    public const float C3 = 0.055507336f;
    public const float C2 = 0.24022242f;
    public const float C1 = 0.693147f;

    /// <summary>1.5·2^23: adding it rounds to an integer, which then stands in the low bits.</summary>
    public const float RoundingMagic = 12582912f;

    /// <summary>Below this the result may not be normal; it becomes 0.</summary>
    public const float SmallestExponent = -125f;
}

/// <summary>AVX-512.</summary>
readonly unsafe struct Width512 : IVectorWidth<Vector512<float>>
{
    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Create(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MaxIgnoringNaN(Vector512<float> value, Vector512<float> other) =>
        Avx512F.Max(value, other);

    // Reduce and Scale: measured 3.1 against 4.0 us for 49k values with the integer form below.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp2(Vector512<float> x)
    {
        Vector512<float> f = Avx512DQ.Reduce(x, 8); // 8: keep 0 fraction bits, round to nearest, no exception
        Vector512<float> p = Vector512.Create(Exp2Polynomial.C5);
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Exp2Polynomial.C4));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Exp2Polynomial.C3));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Exp2Polynomial.C2));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Exp2Polynomial.C1));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512<float>.One);
        return Vector512.ConditionalSelect(
            Vector512.GreaterThanOrEqual(x, Vector512.Create(Exp2Polynomial.SmallestExponent)),
            Avx512F.Scale(p, x - f), Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MaskAtLeast(Vector512<float> a, Vector512<float> b) =>
        (uint)Vector512.GreaterThanOrEqual(a, b).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SelectAtLeast(Vector512<float> a, Vector512<float> b, Vector512<float> value) =>
        Vector512.GreaterThanOrEqual(a, b) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyGreater(Vector512<float> a, Vector512<float> b) => Vector512.GreaterThanAny(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Collect(float* source, Vector512<float> bound, int firstId, float* values, int* ids)
    {
        Vector512<float> value = Vector512.Load(source), mask = Vector512.GreaterThanOrEqual(value, bound);
        ulong bits = mask.ExtractMostSignificantBits();
        if (bits == 0) return 0;
        Avx512F.Compress(value, mask, value).Store(values);
        Vector512<int> numbers = Vector512<int>.Indices + Vector512.Create(firstId);
        Avx512F.Compress(numbers, mask.AsInt32(), numbers).Store(ids);
        return BitOperations.PopCount(bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CollectBetween(
        float* values, float* weights, Vector512<float> low, Vector512<float> high, float* keptValues, float* keptWeights)
    {
        Vector512<float> value = Vector512.Load(values), weight = Vector512.Load(weights);
        Vector512<float> mask = Vector512.AndNot(
            Vector512.GreaterThanOrEqual(value, low), Vector512.GreaterThanOrEqual(value, high));
        ulong bits = mask.ExtractMostSignificantBits();
        if (bits == 0) return 0;
        Avx512F.Compress(value, mask, value).Store(keptValues);
        Avx512F.Compress(weight, mask, weight).Store(keptWeights);
        return BitOperations.PopCount(bits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxOf4(Vector512<float> value) =>
        Width256.MaxOf4(Avx.Max(value.GetLower(), value.GetUpper()));
}

/// <summary>What widths without a compressing store do lane by lane.</summary>
static unsafe class Lanes
{
    /// <summary>Copies the lanes whose bit is set, of two vectors, one after another; returns how many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Copy(uint mask, float* first, float* second, float* firstCopy, float* secondCopy)
    {
        int count = 0;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            firstCopy[count] = first[lane];
            secondCopy[count++] = second[lane];
        }
        return count;
    }

    /// <summary>Copies the lanes whose bit is set, one after another, with their ids; returns how many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Collect(uint mask, float* source, int firstId, float* values, int* ids)
    {
        int count = 0;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            values[count] = source[lane];
            ids[count++] = firstId + lane;
        }
        return count;
    }
}

/// <summary>AVX2 and FMA.</summary>
readonly unsafe struct Width256 : IVectorWidth<Vector256<float>>
{
    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Create(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MaxIgnoringNaN(Vector256<float> value, Vector256<float> other) =>
        Avx.Max(value, other);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp2(Vector256<float> x)
    {
        Vector256<float> magic = Vector256.Create(Exp2Polynomial.RoundingMagic);
        Vector256<float> rounded = x + magic;
        Vector256<float> f = x - (rounded - magic);
        Vector256<float> p = Vector256.Create(Exp2Polynomial.C5);
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(Exp2Polynomial.C4));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(Exp2Polynomial.C3));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(Exp2Polynomial.C2));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(Exp2Polynomial.C1));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256<float>.One);
        Vector256<float> scaled = (p.AsInt32() + (rounded.AsInt32() << 23)).AsSingle();
        return Vector256.GreaterThanOrEqual(x, Vector256.Create(Exp2Polynomial.SmallestExponent)) & scaled;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MaskAtLeast(Vector256<float> a, Vector256<float> b) =>
        Vector256.GreaterThanOrEqual(a, b).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SelectAtLeast(Vector256<float> a, Vector256<float> b, Vector256<float> value) =>
        Vector256.GreaterThanOrEqual(a, b) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyGreater(Vector256<float> a, Vector256<float> b) => Vector256.GreaterThanAny(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Collect(float* source, Vector256<float> bound, int firstId, float* values, int* ids) =>
        Lanes.Collect(MaskAtLeast(Load(source), bound), source, firstId, values, ids);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CollectBetween(
        float* values, float* weights, Vector256<float> low, Vector256<float> high, float* keptValues, float* keptWeights)
    {
        Vector256<float> value = Load(values);
        return Lanes.Copy(MaskAtLeast(value, low) & ~MaskAtLeast(value, high), values, weights, keptValues, keptWeights);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxOf4(Vector256<float> value) =>
        Sse.Max(value.GetLower(), value.GetUpper());
}

/// <summary>Any hardware with 128-bit vectors: SSE, Arm's AdvSimd.</summary>
readonly unsafe struct Width128 : IVectorWidth<Vector128<float>>
{
    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Create(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> a, Vector128<float> b) => a / b;

    // The x86 instruction returns its second operand beside a NaN; Arm's has the wanted meaning for both.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxIgnoringNaN(Vector128<float> value, Vector128<float> other) =>
        Sse.IsSupported ? Sse.Max(value, other)
        : AdvSimd.IsSupported ? AdvSimd.MaxNumber(value, other)
        : Vector128.ConditionalSelect(Vector128.GreaterThan(value, other), value, other);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Exp2(Vector128<float> x)
    {
        Vector128<float> magic = Vector128.Create(Exp2Polynomial.RoundingMagic);
        Vector128<float> rounded = x + magic;
        Vector128<float> f = x - (rounded - magic);
        Vector128<float> p = Vector128.Create(Exp2Polynomial.C5);
        p = Vector128.MultiplyAddEstimate(p, f, Vector128.Create(Exp2Polynomial.C4));
        p = Vector128.MultiplyAddEstimate(p, f, Vector128.Create(Exp2Polynomial.C3));
        p = Vector128.MultiplyAddEstimate(p, f, Vector128.Create(Exp2Polynomial.C2));
        p = Vector128.MultiplyAddEstimate(p, f, Vector128.Create(Exp2Polynomial.C1));
        p = Vector128.MultiplyAddEstimate(p, f, Vector128<float>.One);
        Vector128<float> scaled = (p.AsInt32() + (rounded.AsInt32() << 23)).AsSingle();
        return Vector128.GreaterThanOrEqual(x, Vector128.Create(Exp2Polynomial.SmallestExponent)) & scaled;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MaskAtLeast(Vector128<float> a, Vector128<float> b) =>
        Vector128.GreaterThanOrEqual(a, b).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SelectAtLeast(Vector128<float> a, Vector128<float> b, Vector128<float> value) =>
        Vector128.GreaterThanOrEqual(a, b) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AnyGreater(Vector128<float> a, Vector128<float> b) => Vector128.GreaterThanAny(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Collect(float* source, Vector128<float> bound, int firstId, float* values, int* ids) =>
        Lanes.Collect(MaskAtLeast(Load(source), bound), source, firstId, values, ids);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CollectBetween(
        float* values, float* weights, Vector128<float> low, Vector128<float> high, float* keptValues, float* keptWeights)
    {
        Vector128<float> value = Load(values);
        return Lanes.Copy(MaskAtLeast(value, low) & ~MaskAtLeast(value, high), values, weights, keptValues, keptWeights);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MaxOf4(Vector128<float> value) => value;
}
