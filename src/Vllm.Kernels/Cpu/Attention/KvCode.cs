using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// How a KV cache codes elements in 8 bits: the sign in bit 7, a magnitude in the others. A magnitude stands for a
/// number that bf16 holds exactly, so that a tile of codes becomes a tile of bf16 without loss and one tile kernel serves
/// both; what a scale adds is left to the kernel. No code is NaN or infinite: larger values, NaN among them, take the
/// largest magnitude of a float, and NaN is 0 as an integer.
/// </summary>
abstract unsafe class KvCode
{
    public const int NumMagnitudes = 128;
    const byte Sign = 0x80;

    /// <summary>Floats that are coded at once.</summary>
    protected const int Lanes = 8;

    static readonly FloatKvCode E4M3 = new(numMantissaBits: 3, bias: 7, max: 448);
    static readonly FloatKvCode E5M2 = new(numMantissaBits: 2, bias: 15, max: 57344);
    static readonly IntegerKvCode Int8 = new();

    readonly ushort[] _values = new ushort[2 * NumMagnitudes]; // bf16 of each code
    readonly Vector512<byte> _low0, _low1, _high0, _high1;     // lower and upper bytes of those of each magnitude

    /// <param name="valueOf">The number that a magnitude stands for.</param>
    protected KvCode(Func<int, double> valueOf)
    {
        Span<byte> low = stackalloc byte[NumMagnitudes], high = stackalloc byte[NumMagnitudes];
        for (int i = 0; i < NumMagnitudes; i++)
        {
            var value = (ushort)(BitConverter.SingleToUInt32Bits((float)valueOf(i)) >> 16);
            _values[i] = value;
            _values[i | Sign] = (ushort)(value | Sign << 8);
            (low[i], high[i]) = ((byte)value, (byte)(value >> 8));
        }
        (_low0, _low1) = (Vector512.Create(low), Vector512.Create(low[64..]));
        (_high0, _high1) = (Vector512.Create(high), Vector512.Create(high[64..]));
    }

    /// <summary>The code of an element type; null for types of more bits.</summary>
    public static KvCode? Of(DType dtype) => dtype switch
    {
        DType.F8E4M3 => E4M3,
        DType.F8E5M2 => E5M2,
        DType.I8 => Int8,
        _ => null,
    };

    /// <summary>Whether values are magnitudes times a scale of their token and head.</summary>
    public abstract bool HasScales { get; }

    /// <summary>Codes what one token has of one head.</summary>
    /// <returns>The scale of all of it; 1 without scales.</returns>
    /// <param name="values">All of a head.</param>
    /// <param name="codes">As many.</param>
    public abstract float Encode(ReadOnlySpan<float> values, Span<byte> codes);

    /// <summary>A code's number as bf16, without scale.</summary>
    public ushort Decode(byte code) => _values[code];

    /// <summary>Decodes a run of codes.</summary>
    /// <param name="codes">Codes in a row, a multiple of 32.</param>
    /// <param name="values">As many bf16.</param>
    /// <param name="ahead">Bytes from each code to one that is needed soon and is fetched to the L2 cache; 0 = none.</param>
    public void Decode(ReadOnlySpan<byte> codes, Span<ushort> values, nint ahead)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Length, codes.Length, nameof(values));
        fixed (byte* source = codes)
        fixed (ushort* target = values)
            Decode(source, target, codes.Length, ahead);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void Decode(byte* codes, ushort* values, nint num, nint ahead)
    {
        nint i = 0;
        if (Avx512Vbmi.IsSupported)
        {
            Vector512<byte> low0 = _low0, low1 = _low1, high0 = _high0, high1 = _high1;
            for (; i <= num - 64; i += 64)
            {
                if (ahead != 0) Sse.Prefetch1(codes + i + ahead);
                Decode64(Vector512.Load(codes + i), low0, low1, high0, high1, out Vector512<byte> first, out Vector512<byte> second);
                first.Store((byte*)(values + i));
                second.Store((byte*)(values + i + 32));
            }
            if (i < num)
            {
                if (ahead != 0) Sse.Prefetch1(codes + i + ahead);
                Decode64(Vector256.Load(codes + i).ToVector512(), low0, low1, high0, high1, out Vector512<byte> first, out _);
                first.Store((byte*)(values + i));
            }
            return;
        }
        // Two loads and a store per element: plain vectors would take as many instructions.
        fixed (ushort* table = _values)
            for (; i < num; i++) values[i] = table[codes[i]];
    }

    /// <summary>Looks up both bytes of 64 values; the unpacking takes 8 codes of each 128 bits, which the permutation
    /// puts there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Decode64(
        Vector512<byte> codes, Vector512<byte> low0, Vector512<byte> low1, Vector512<byte> high0, Vector512<byte> high1,
        out Vector512<byte> first, out Vector512<byte> second)
    {
        codes = Avx512F.PermuteVar8x64(codes.AsUInt64(), Vector512.Create(0ul, 4, 1, 5, 2, 6, 3, 7)).AsByte();
        // Indices count modulo 128: the sign does not matter.
        Vector512<byte> low = Avx512Vbmi.PermuteVar64x8x2(low0, codes, low1);
        Vector512<byte> high = Avx512Vbmi.PermuteVar64x8x2(high0, codes, high1) | (codes & Vector512.Create(Sign));
        first = Avx512BW.UnpackLow(low, high);
        second = Avx512BW.UnpackHigh(low, high);
    }

    /// <summary>Stores the lower bytes of magnitudes with the signs of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static void Store(Vector256<uint> magnitudes, Vector256<float> x, Span<byte> codes)
    {
        Vector256<uint> wide = magnitudes | ((x.AsUInt32() >> 24) & Vector256.Create((uint)Sign));
        Vector128<ushort> half = Vector128.Narrow(wide.GetLower(), wide.GetUpper());
        BinaryPrimitives.WriteUInt64LittleEndian(codes, Vector128.Narrow(half, half).AsUInt64().ToScalar());
    }

    /// <summary>The same of the first lane.</summary>
    protected static void StoreOne(Vector256<uint> magnitudes, Vector256<float> x, Span<byte> codes) =>
        codes[0] = (byte)(magnitudes.ToScalar() | ((x.AsUInt32().ToScalar() >> 24) & Sign));
}

/// <summary>Floats of 8 bits, rounded to the nearest, ties to even; subnormal ones too.</summary>
sealed class FloatKvCode(int numMantissaBits, int bias, float max) : KvCode(magnitude => ValueOf(magnitude, numMantissaBits, bias))
{
    const int Float32MantissaBits = 23, Float32Bias = 127;

    readonly int _shift = Float32MantissaBits - numMantissaBits;
    readonly uint _exponentOffset = (uint)(Float32Bias - bias) << numMantissaBits;
    readonly float _max = max;
    readonly float _minNormal = MathF.ScaleB(1, 1 - bias);

    /// <summary>Added to a subnormal value, it leaves the code in the lowest bits, rounded.</summary>
    readonly float _magic = MathF.ScaleB(1, 1 - bias - numMantissaBits + Float32MantissaBits);

    public override bool HasScales => false;

    static double ValueOf(int magnitude, int numMantissaBits, int bias)
    {
        int mantissa = magnitude & ((1 << numMantissaBits) - 1), exponent = magnitude >> numMantissaBits;
        return exponent == 0
            ? Math.ScaleB(mantissa, 1 - bias - numMantissaBits)
            : Math.ScaleB(mantissa + (1 << numMantissaBits), exponent - bias - numMantissaBits);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override float Encode(ReadOnlySpan<float> values, Span<byte> codes)
    {
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            Vector256<float> x = Vector256.Create(values[i..]);
            Store(Magnitudes(x), x, codes[i..]);
        }
        for (; i < values.Length; i++)
        {
            Vector256<float> x = Vector256.Create(values[i]);
            StoreOne(Magnitudes(x), x, codes[i..]);
        }
        return 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    Vector256<uint> Magnitudes(Vector256<float> x)
    {
        Vector256<float> a = Vector256.Abs(x), max = Vector256.Create(_max), magic = Vector256.Create(_magic);
        a = Vector256.ConditionalSelect(Vector256.LessThan(a, max), a, max); // NaN is not less
        Vector256<uint> bits = a.AsUInt32();
        Vector256<uint> rounding = Vector256.Create((1u << (_shift - 1)) - 1) + ((bits >> _shift) & Vector256<uint>.One);
        Vector256<uint> normal = ((bits + rounding) >> _shift) - Vector256.Create(_exponentOffset);
        Vector256<uint> subnormal = (a + magic).AsUInt32() - magic.AsUInt32();
        return Vector256.ConditionalSelect(
            Vector256.LessThan(a, Vector256.Create(_minNormal)).AsUInt32(), subnormal, normal);
    }
}

/// <summary>Whole numbers to 127 times a scale: the largest magnitude of a token and head / 127, rounded to the nearest.</summary>
sealed class IntegerKvCode() : KvCode(magnitude => magnitude)
{
    const float Max = 127;

    public override bool HasScales => true;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override float Encode(ReadOnlySpan<float> values, Span<byte> codes)
    {
        float scale = Largest(values) / Max;
        if (scale == 0)
        {
            codes[..values.Length].Clear();
            return 0;
        }
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            Vector256<float> x = Vector256.Create(values[i..]);
            Store(Magnitudes(x, scale), x, codes[i..]);
        }
        for (; i < values.Length; i++)
        {
            Vector256<float> x = Vector256.Create(values[i]);
            StoreOne(Magnitudes(x, scale), x, codes[i..]);
        }
        return scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float Largest(ReadOnlySpan<float> values)
    {
        Vector256<float> largest = Vector256<float>.Zero;
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes) largest = Vector256.Max(largest, Finite(Vector256.Create(values[i..])));
        float max = 0;
        for (int lane = 0; lane < Lanes; lane++) max = MathF.Max(max, largest[lane]);
        for (; i < values.Length; i++) max = MathF.Max(max, Finite(Vector256.Create(values[i])).ToScalar());
        return max;
    }

    /// <summary>|x|; 0 for NaN, the largest float for infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<float> Finite(Vector256<float> x)
    {
        Vector256<float> a = Vector256.ConditionalSelect(Vector256.Equals(x, x), Vector256.Abs(x), Vector256<float>.Zero);
        return Vector256.Min(a, Vector256.Create(float.MaxValue));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<uint> Magnitudes(Vector256<float> x, float scale) => Vector256.ConvertToInt32(
        Vector256.Min(Vector256.Round(Finite(x) / scale), Vector256.Create(Max))).AsUInt32();
}
