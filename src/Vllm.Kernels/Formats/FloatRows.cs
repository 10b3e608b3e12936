using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Formats;

/// <summary>Stored floats to fp32; source in any alignment.</summary>
static unsafe class FloatRows
{
    const float TwoTo112 = 5192296858534827628530496329220096f; // exponent bias 127 of fp32 less 15 of fp16

    public static void CopyF32(byte* source, float* destination, nint count) =>
        Buffer.MemoryCopy(source, destination, count * sizeof(float), count * sizeof(float));

    public static void WidenBF16(byte* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<ushort>>(source + i * 2), out Vector<uint> low, out Vector<uint> high);
            Unsafe.WriteUnaligned(destination + i, low << 16);
            Unsafe.WriteUnaligned(destination + i + Vector<uint>.Count, high << 16);
        }
        for (; i < count; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(source + i * 2) << 16);
    }

    /// <summary>.NET 10 has no F16C intrinsics and converts a Half in some 20 scalar instructions.</summary>
    public static void WidenF16(byte* source, float* destination, nint count)
    {
        nint i = 0;
        for (; i <= count - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(Unsafe.ReadUnaligned<Vector<ushort>>(source + i * 2), out Vector<uint> low, out Vector<uint> high);
            Unsafe.WriteUnaligned(destination + i, HalfToSingle(low));
            Unsafe.WriteUnaligned(destination + i + Vector<uint>.Count, HalfToSingle(high));
        }
        for (; i < count; i++) destination[i] = (float)Unsafe.ReadUnaligned<Half>(source + i * 2);
    }

    /// <summary>
    /// Exponent and mantissa move to their place and the power of two between the biases is multiplied in, which is
    /// exact for normal and subnormal numbers; infinity and NaN get the top exponent.
    /// </summary>
    static Vector<uint> HalfToSingle(Vector<uint> half)
    {
        Vector<uint> magnitude = (half & new Vector<uint>(0x7fff)) << 13;
        Vector<uint> scaled = Vector.AsVectorUInt32(Vector.AsVectorSingle(magnitude) * new Vector<float>(TwoTo112));
        Vector<uint> isSpecial = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7c00 << 13));
        Vector<uint> special = magnitude | new Vector<uint>(0x7f80_0000);
        return Vector.ConditionalSelect(isSpecial, special, scaled) | ((half & new Vector<uint>(0x8000)) << 16);
    }
}
