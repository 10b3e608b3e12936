using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.Simd;

/// <summary>8 floats in a <see cref="Vector256{T}"/>.</summary>
readonly unsafe struct Float256(Vector256<float> value) : IFloatVector<Float256>
{
    readonly Vector256<float> _value = value;

    public static int Width => 8;

    public static Float256 Zero => new(Vector256<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Create(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => _value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Float256 even, out Float256 odd)
    {
        Vector256<uint> pairs = Vector256.Load(source);
        even = new((pairs << 16).AsSingle());
        odd = new((pairs & Vector256.Create(0xFFFF0000u)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* destination) =>
        Vector256.Narrow(Rounded() >> 16, default).GetLower().Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16Pairs(uint* destination, Float256 even, Float256 odd) =>
        ((even.Rounded() >> 16) | (odd.Rounded() & Vector256.Create(0xFFFF0000u))).Store(destination);

    /// <summary>Bits whose upper half is the value as bf16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    Vector256<uint> Rounded()
    {
        Vector256<uint> bits = _value.AsUInt32();
        return bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256.Create(1u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 operator +(Float256 left, Float256 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 operator -(Float256 left, Float256 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 operator *(Float256 left, Float256 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 operator /(Float256 left, Float256 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 FusedMultiplyAdd(Float256 a, Float256 b, Float256 c) =>
        new(Vector256.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Max(Float256 left, Float256 right) => new(Vector256.MaxNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Min(Float256 left, Float256 right) => new(Vector256.MinNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Abs(Float256 value) => new(Vector256.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 Round(Float256 value) => new(Vector256.Round(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 ScaleB(Float256 value, Float256 exponent)
    {
        // Two factors, because one reaches neither the smallest subnormal nor past the largest power.
        Vector256<float> bounded = Vector256.MaxNative(Vector256.MinNative(exponent._value, Vector256.Create(254f)), Vector256.Create(-252f));
        Vector256<int> all = Vector256.ConvertToInt32(bounded);
        Vector256<int> half = all >> 1;
        return new(value._value * PowerOfTwo(half) * PowerOfTwo(all - half));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<float> PowerOfTwo(Vector256<int> exponent) => ((exponent + Vector256.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float256 SelectLess(Float256 x, Float256 y, Float256 ifTrue, Float256 ifFalse) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(x._value, y._value), ifTrue._value, ifFalse._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float256 value) => Float128.Sum(new(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Float256 value) =>
        Float128.MaxAcross(new(Vector128.MaxNative(value._value.GetLower(), value._value.GetUpper())));
}
