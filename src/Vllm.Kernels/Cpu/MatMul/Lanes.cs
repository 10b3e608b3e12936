using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Vector operations of one width, so that <see cref="VectorMatMul{TLanes,TFloat,TInt}"/> is written
/// once.</summary>
unsafe interface ILanes<TFloat, TInt>
{
    static abstract string Name { get; }

    static abstract bool IsSupported { get; }

    static abstract int Count { get; }

    static abstract TFloat Load(float* source);

    /// <summary>fp16 to fp32; infinities and NaN excepted, which weights are not.</summary>
    static abstract TFloat Load(Half* source);

    static abstract TFloat Splat(float value);

    static abstract TFloat Multiply(TFloat a, TFloat b);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TFloat Fma(TFloat a, TFloat b, TFloat c);

    static abstract void Store(TFloat value, float* target);

    static abstract TInt Load(uint* source);

    /// <summary>Widened.</summary>
    static abstract TInt Load(sbyte* source);

    static abstract TInt Splat(int value);

    static abstract TInt And(TInt value, uint mask);

    static abstract TInt Or(TInt a, TInt b);

    static abstract TInt ShiftLeft(TInt value, int numBits);

    static abstract TInt ShiftRight(TInt value, int numBits);

    /// <summary>sum + the dot product of four unsigned and four signed bytes, per lane; the same four signed bytes for
    /// all lanes.</summary>
    static abstract TInt Dot(TInt sum, TInt unsignedBytes, int signedBytes);

    static abstract TFloat ToFloat(TInt value);

    static abstract TFloat AsFloat(TInt bits);
}

/// <summary>fp16 is fp32 with the exponent's bias 112 less, once its bits are moved 13 up; multiplying by 2^112 is
/// exact, for subnormals too.</summary>
static class HalfBits
{
    public const uint Magnitude = 0x7FFF;
    public const uint Sign = 0x8000;
    public const float Rebias = 5.192296858534828e33f; // 2^112
}

readonly unsafe struct Lanes512 : ILanes<Vector512<float>, Vector512<int>>
{
    public static string Name => "vector512";

    public static bool IsSupported => Avx512BW.IsSupported;

    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(Half* source)
    {
        Vector512<uint> bits = Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)source)).AsUInt32();
        Vector512<float> magnitude = ((bits & Vector512.Create(HalfBits.Magnitude)) << 13).AsSingle() * HalfBits.Rebias;
        return (magnitude.AsUInt32() | (bits & Vector512.Create(HalfBits.Sign)) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Splat(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(uint* source) => Vector512.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(sbyte* source) =>
        Avx512F.ConvertToVector512Int32(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Splat(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> And(Vector512<int> value, uint mask) => value & Vector512.Create((int)mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Or(Vector512<int> a, Vector512<int> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftLeft(Vector512<int> value, int numBits) => value << numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> ShiftRight(Vector512<int> value, int numBits) => value >>> numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot(Vector512<int> sum, Vector512<int> unsignedBytes, int signedBytes)
    {
        Vector512<short> x = Vector512.Create(signedBytes).AsInt16();
        Vector512<short> even = (unsignedBytes & Vector512.Create(0x00FF00FF)).AsInt16();
        Vector512<short> odd = unsignedBytes.AsInt16() >>> 8;
        return sum + Avx512BW.MultiplyAddAdjacent(even, x << 8 >> 8) + Avx512BW.MultiplyAddAdjacent(odd, x >> 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToFloat(Vector512<int> value) => Vector512.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AsFloat(Vector512<int> bits) => bits.AsSingle();
}

readonly unsafe struct Lanes256 : ILanes<Vector256<float>, Vector256<int>>
{
    public static string Name => "vector256";

    public static bool IsSupported => Avx2.IsSupported;

    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(Half* source)
    {
        Vector256<uint> bits = Avx2.ConvertToVector256Int32(Vector128.Load((ushort*)source)).AsUInt32();
        Vector256<float> magnitude = ((bits & Vector256.Create(HalfBits.Magnitude)) << 13).AsSingle() * HalfBits.Rebias;
        return (magnitude.AsUInt32() | (bits & Vector256.Create(HalfBits.Sign)) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Splat(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(uint* source) => Vector256.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(sbyte* source) =>
        Avx2.ConvertToVector256Int32(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Splat(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> And(Vector256<int> value, uint mask) => value & Vector256.Create((int)mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Or(Vector256<int> a, Vector256<int> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftLeft(Vector256<int> value, int numBits) => value << numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> ShiftRight(Vector256<int> value, int numBits) => value >>> numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(Vector256<int> sum, Vector256<int> unsignedBytes, int signedBytes)
    {
        if (AvxVnni.IsSupported)
            return AvxVnni.MultiplyWideningAndAdd(sum, unsignedBytes.AsByte(), Vector256.Create(signedBytes).AsSByte());
        Vector256<short> x = Vector256.Create(signedBytes).AsInt16();
        Vector256<short> even = (unsignedBytes & Vector256.Create(0x00FF00FF)).AsInt16();
        Vector256<short> odd = unsignedBytes.AsInt16() >>> 8;
        return sum + Avx2.MultiplyAddAdjacent(even, x << 8 >> 8) + Avx2.MultiplyAddAdjacent(odd, x >> 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector256<int> value) => Vector256.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AsFloat(Vector256<int> bits) => bits.AsSingle();
}

readonly unsafe struct Lanes128 : ILanes<Vector128<float>, Vector128<int>>
{
    public static string Name => "vector128";

    public static bool IsSupported => Vector128.IsHardwareAccelerated;

    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(Half* source)
    {
        Vector128<uint> bits = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16());
        Vector128<float> magnitude = ((bits & Vector128.Create(HalfBits.Magnitude)) << 13).AsSingle() * HalfBits.Rebias;
        return (magnitude.AsUInt32() | (bits & Vector128.Create(HalfBits.Sign)) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Splat(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fma(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
        Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* target) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(uint* source) => Vector128.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(sbyte* source) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(int*)source).AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Splat(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> And(Vector128<int> value, uint mask) => value & Vector128.Create((int)mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Or(Vector128<int> a, Vector128<int> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftLeft(Vector128<int> value, int numBits) => value << numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> ShiftRight(Vector128<int> value, int numBits) => value >>> numBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<int> sum, Vector128<int> unsignedBytes, int signedBytes)
    {
        if (Sse2.IsSupported)
        {
            Vector128<short> x = Vector128.Create(signedBytes).AsInt16();
            Vector128<short> even = (unsignedBytes & Vector128.Create(0x00FF00FF)).AsInt16();
            Vector128<short> odd = unsignedBytes.AsInt16() >>> 8;
            return sum + Sse2.MultiplyAddAdjacent(even, x << 8 >> 8) + Sse2.MultiplyAddAdjacent(odd, x >> 8);
        }

        Vector128<int> low = Vector128.Create(0xFF);
        return sum + (unsignedBytes & low) * (sbyte)signedBytes
            + (unsignedBytes >>> 8 & low) * (sbyte)(signedBytes >> 8)
            + (unsignedBytes >>> 16 & low) * (sbyte)(signedBytes >> 16) + (unsignedBytes >>> 24) * (signedBytes >> 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector128<int> value) => Vector128.ConvertToSingle(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AsFloat(Vector128<int> bits) => bits.AsSingle();
}
