using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.Simd;

/// <summary>4 floats in a <see cref="Vector128{T}"/>.</summary>
readonly unsafe struct Float128(Vector128<float> value) : IFloatVector<Float128>
{
    readonly Vector128<float> _value = value;

    public static int Width => 4;

    public static Float128 Zero => new(Vector128<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Create(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => _value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Float128 even, out Float128 odd)
    {
        Vector128<uint> pairs = Vector128.Load(source);
        even = new((pairs << 16).AsSingle());
        odd = new((pairs & Vector128.Create(0xFFFF0000u)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* destination) =>
        *(ulong*)destination = Vector128.Narrow(Rounded() >> 16, default).AsUInt64()[0];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16Pairs(uint* destination, Float128 even, Float128 odd) =>
        ((even.Rounded() >> 16) | (odd.Rounded() & Vector128.Create(0xFFFF0000u))).Store(destination);

    /// <summary>Bits whose upper half is the value as bf16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    Vector128<uint> Rounded()
    {
        Vector128<uint> bits = _value.AsUInt32();
        return bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128.Create(1u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 operator +(Float128 left, Float128 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 operator -(Float128 left, Float128 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 operator *(Float128 left, Float128 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 operator /(Float128 left, Float128 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 FusedMultiplyAdd(Float128 a, Float128 b, Float128 c) =>
        new(Vector128.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Max(Float128 left, Float128 right) => new(Vector128.MaxNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Min(Float128 left, Float128 right) => new(Vector128.MinNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Abs(Float128 value) => new(Vector128.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 Round(Float128 value) => new(Vector128.Round(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 ScaleB(Float128 value, Float128 exponent)
    {
        // Two factors, because one reaches neither the smallest subnormal nor past the largest power.
        Vector128<float> bounded = Vector128.MaxNative(Vector128.MinNative(exponent._value, Vector128.Create(254f)), Vector128.Create(-252f));
        Vector128<int> all = Vector128.ConvertToInt32(bounded);
        Vector128<int> half = all >> 1;
        return new(value._value * PowerOfTwo(half) * PowerOfTwo(all - half));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<float> PowerOfTwo(Vector128<int> exponent) => ((exponent + Vector128.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float128 SelectLess(Float128 x, Float128 y, Float128 ifTrue, Float128 ifFalse) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(x._value, y._value), ifTrue._value, ifFalse._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float128 value) => value._value[0] + value._value[2] + (value._value[1] + value._value[3]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Float128 value) =>
        MathF.Max(MathF.Max(value._value[0], value._value[1]), MathF.Max(value._value[2], value._value[3]));
}
