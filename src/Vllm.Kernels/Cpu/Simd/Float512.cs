using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.Simd;

/// <summary>16 floats in a <see cref="Vector512{T}"/>. Needs AVX-512F.</summary>
readonly unsafe struct Float512(Vector512<float> value) : IFloatVector<Float512>
{
    readonly Vector512<float> _value = value;

    public Vector512<float> Value => _value;

    public static int Width => 16;

    public static Float512 Zero => new(Vector512<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => _value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Float512 even, out Float512 odd)
    {
        Vector512<uint> pairs = Vector512.Load(source);
        even = new((pairs << 16).AsSingle());
        odd = new((pairs & Vector512.Create(0xFFFF0000u)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreBFloat16(ushort* destination) =>
        Avx512F.ConvertToVector256UInt16(Rounded() >> 16).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16Pairs(uint* destination, Float512 even, Float512 odd) =>
        ((even.Rounded() >> 16) | (odd.Rounded() & Vector512.Create(0xFFFF0000u))).Store(destination);

    /// <summary>Bits whose upper half is the value as bf16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    Vector512<uint> Rounded()
    {
        Vector512<uint> bits = _value.AsUInt32();
        return bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512.Create(1u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 operator +(Float512 left, Float512 right) => new(left._value + right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 operator -(Float512 left, Float512 right) => new(left._value - right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 operator *(Float512 left, Float512 right) => new(left._value * right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 operator /(Float512 left, Float512 right) => new(left._value / right._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 FusedMultiplyAdd(Float512 a, Float512 b, Float512 c) =>
        new(Vector512.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Max(Float512 left, Float512 right) => new(Vector512.MaxNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Min(Float512 left, Float512 right) => new(Vector512.MinNative(left._value, right._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Abs(Float512 value) => new(Vector512.Abs(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 Round(Float512 value) => new(Vector512.Round(value._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 ScaleB(Float512 value, Float512 exponent) => new(Avx512F.Scale(value._value, exponent._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float512 SelectLess(Float512 x, Float512 y, Float512 ifTrue, Float512 ifFalse) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(x._value, y._value), ifTrue._value, ifFalse._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float512 value) => Float256.Sum(new(value._value.GetLower() + value._value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Float512 value) =>
        Float256.MaxAcross(new(Vector256.MaxNative(value._value.GetLower(), value._value.GetUpper())));
}
