using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>What a kernel reads as its left operand.</summary>
enum ActivationForm
{
    /// <summary>The tensor itself.</summary>
    F32,

    /// <summary>Rounded to bfloat16.</summary>
    BF16,

    /// <summary>int8 with a scale per 32 columns.</summary>
    Int8G32,

    /// <summary>int8 with a scale per 16 columns.</summary>
    Int8G16,
}

/// <summary>What follows the 32 (or 16) int8 codes of a group: x = Scale * code.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
struct GroupTail
{
    public const int ScaleOffset = 0, MinusSumOffset = 4, ScaledSumOffset = 8, SizeBytes = 12;

    public float Scale;

    /// <summary>Minus the sum of the codes: times the weights' code offset it starts the integer sum, which takes the
    /// offset out of unsigned weights exactly and for free.</summary>
    public int MinusSum;

    /// <summary>Scale * sum of the codes: what the weights' min is multiplied by.</summary>
    public float ScaledSum;
}

/// <summary>
/// Rows of activations in the form a kernel reads. A quantized row is, per group of columns,
/// <code>[GroupSize int8][fp32 scale = absmax / 127][int32 -sum of codes][fp32 scale * sum of codes]</code>
/// and depends on that row alone. Strides are no powers of two, which would put all rows into one set of the L1 cache.
/// </summary>
static unsafe class ActivationRows
{
    /// <summary>Below this, 127 / absmax is infinite; such groups count as zero.</summary>
    const float SmallestMax = 1e-35f;

    public static int GroupSize(ActivationForm form) => form == ActivationForm.Int8G32 ? 32 : 16;

    /// <summary>Bytes from row to row. Columns are padded by zeros to a multiple of 64, the longest block.</summary>
    public static int RowBytes(ActivationForm form, int numColumns)
    {
        int padded = (numColumns + 63) / 64 * 64;
        return form switch
        {
            ActivationForm.F32 => padded * sizeof(float),
            ActivationForm.BF16 => padded * 2 + 128,
            _ => padded / GroupSize(form) * (GroupSize(form) + GroupTail.SizeBytes),
        };
    }

    /// <summary>Converts one row. form is not F32.</summary>
    /// <param name="form">Of the target.</param>
    /// <param name="x">[numColumns].</param>
    /// <param name="numColumns">Columns of the row.</param>
    /// <param name="target"><see cref="RowBytes"/>, 4-byte aligned.</param>
    public static void Convert(ActivationForm form, float* x, int numColumns, byte* target)
    {
        int numWhole = numColumns / 64 * 64;
        ConvertWhole(form, x, numWhole, target);
        if (numWhole == numColumns) return;
        float* rest = stackalloc float[64];
        new Span<float>(rest, 64).Clear();
        new Span<float>(x + numWhole, numColumns - numWhole).CopyTo(new Span<float>(rest, 64));
        ConvertWhole(form, rest, 64, target + (form == ActivationForm.BF16 ? numWhole * 2 : RowBytes(form, numWhole)));
    }

    static void ConvertWhole(ActivationForm form, float* x, int numColumns, byte* target)
    {
        if (form == ActivationForm.BF16) RoundToBF16(x, numColumns, (ushort*)target);
        else if (form == ActivationForm.Int8G32) Quantize32(x, numColumns, target);
        else Quantize16(x, numColumns, target);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Quantize32(float* x, int numColumns, byte* target)
    {
        for (int k = 0; k < numColumns; k += 32, target += 32 + GroupTail.SizeBytes)
        {
            Vector512<float> low = Vector512.Load(x + k), high = Vector512.Load(x + k + 16);
            float max = MaxAcross(Vector512.MaxNative(Vector512.Abs(low), Vector512.Abs(high)));
            Vector512<float> inverse = Vector512.Create(max < SmallestMax ? 0 : 127f / max);
            Vector512<int> lowCodes = Round(low * inverse), highCodes = Round(high * inverse);
            StoreCodes(lowCodes, target);
            StoreCodes(highCodes, target + 16);
            StoreTail(target + 32, max, Vector512.Sum(lowCodes + highCodes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Quantize16(float* x, int numColumns, byte* target)
    {
        for (int k = 0; k < numColumns; k += 16, target += 16 + GroupTail.SizeBytes)
        {
            Vector512<float> values = Vector512.Load(x + k);
            float max = MaxAcross(Vector512.Abs(values));
            Vector512<int> codes = Round(values * Vector512.Create(max < SmallestMax ? 0 : 127f / max));
            StoreCodes(codes, target);
            StoreTail(target + 16, max, Vector512.Sum(codes));
        }
    }

    /// <summary>Rounds to nearest, ties to even; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void RoundToBF16(float* x, int numColumns, ushort* target)
    {
        Vector512<uint> one = Vector512.Create(1u), half = Vector512.Create(0x7FFFu);
        Vector512<uint> quiet = Vector512.Create(0x400000u);
        for (int k = 0; k < numColumns; k += 32)
        {
            Vector512.Narrow(Round16(Vector512.Load(x + k)), Round16(Vector512.Load(x + k + 16))).Store(target + k);
        }

        Vector512<uint> Round16(Vector512<float> values)
        {
            Vector512<uint> bits = values.AsUInt32();
            Vector512<uint> rounded = bits + half + ((bits >>> 16) & one);
            Vector512<uint> isNumber = Vector512.Equals(values, values).AsUInt32();
            return Vector512.ConditionalSelect(isNumber, rounded, bits | quiet) >>> 16;
        }
    }

    /// <summary>To nearest, ties to even: what the conversion instruction does by itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<int> Round(Vector512<float> values) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(values)
        : Vector512.ConvertToInt32Native(Vector512.Round(values));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float MaxAcross(Vector512<float> values)
    {
        Vector256<float> v256 = Vector256.MaxNative(values.GetLower(), values.GetUpper());
        Vector128<float> v = Vector128.MaxNative(v256.GetLower(), v256.GetUpper());
        v = Vector128.MaxNative(v, Vector128.Shuffle(v, Vector128.Create(2, 3, 0, 1)));
        v = Vector128.MaxNative(v, Vector128.Shuffle(v, Vector128.Create(1, 0, 3, 2)));
        return v.ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void StoreCodes(Vector512<int> codes, byte* target)
    {
        if (Avx512F.IsSupported)
        {
            Avx512F.ConvertToVector128SByte(codes).Store((sbyte*)target);
            return;
        }

        Vector256<short> shorts = Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        Vector128.Narrow(shorts.GetLower(), shorts.GetUpper()).Store((sbyte*)target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void StoreTail(byte* target, float max, int sum)
    {
        float scale = max < SmallestMax ? 0 : max * (1 / 127f);
        *(GroupTail*)target = new GroupTail { Scale = scale, MinusSum = -sum, ScaledSum = scale * sum };
    }
}
