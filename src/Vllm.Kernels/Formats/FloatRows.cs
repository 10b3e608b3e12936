using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Formats;

/// <summary>Stored floats to fp32; source in any alignment.</summary>
static unsafe class FloatRows
{
    const uint BiasDifference = 127 - 15; // exponent of fp32 and fp16

    public static void CopyF32(byte* source, float* destination, nint count) =>
        Buffer.MemoryCopy(source, destination, count * sizeof(float), count * sizeof(float));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WidenBF16(byte* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            var stored = Unsafe.ReadUnaligned<Vector<ushort>>(source + i * 2);
            Vector.Widen(stored, out Vector<uint> low, out Vector<uint> high);
            Unsafe.WriteUnaligned(destination + i, low << 16);
            Unsafe.WriteUnaligned(destination + i + Vector<uint>.Count, high << 16);
        }
        for (; i < count; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(source + i * 2) << 16);
    }

    /// <summary>.NET 10 has no F16C intrinsics and converts a Half in some 20 scalar instructions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WidenF16(byte* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            var stored = Unsafe.ReadUnaligned<Vector<ushort>>(source + i * 2);
            Vector.Widen(stored, out Vector<uint> low, out Vector<uint> high);
            Unsafe.WriteUnaligned(destination + i, HalfToSingle(low));
            Unsafe.WriteUnaligned(destination + i + Vector<uint>.Count, HalfToSingle(high));
        }
        for (; i < count; i++) destination[i] = (float)Unsafe.ReadUnaligned<Half>(source + i * 2);
    }

    /// <summary>
    /// Exponent and mantissa move to their place and the bias is corrected: once for normal numbers, twice for
    /// infinity and NaN. Subnormal numbers are made normal beside 2^-14, which is then subtracted: multiplying them by
    /// a power of two would be as exact, but slow where the processor handles subnormal operands by microcode.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector<uint> HalfToSingle(Vector<uint> half)
    {
        Vector<uint> bias = new(BiasDifference << 23);
        Vector<uint> magnitude = (half & new Vector<uint>(0x7fff)) << 13;
        Vector<uint> normal = magnitude + bias;
        Vector<uint> isSpecial = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7c00 << 13));
        Vector<uint> minNormal = new((BiasDifference + 1) << 23);
        Vector<uint> subnormal = Vector.AsVectorUInt32(
            Vector.AsVectorSingle(magnitude + minNormal) - Vector.AsVectorSingle(minNormal));
        Vector<uint> isNormal = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x0400 << 13));
        Vector<uint> finite = Vector.ConditionalSelect(isNormal, normal, subnormal);
        return finite + (bias & isSpecial) | (half & new Vector<uint>(0x8000)) << 16;
    }
}
