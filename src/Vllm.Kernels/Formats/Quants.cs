using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

/// <summary>
/// Sixteen small integers times a scale, the last step of most formats. Product and sum are rounded one after the
/// other, as in ggml: never a fused multiply-add.
/// </summary>
static unsafe class Quants
{
    public const int Count = 16;

    /// <summary>values = q·scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale(Vector128<sbyte> q, float scale, float* values)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
        (Vector128<int> q0, Vector128<int> q1) = Vector128.Widen(low);
        (Vector128<int> q2, Vector128<int> q3) = Vector128.Widen(high);
        (Vector128.ConvertToSingle(q0) * scale).Store(values);
        (Vector128.ConvertToSingle(q1) * scale).Store(values + 4);
        (Vector128.ConvertToSingle(q2) * scale).Store(values + 8);
        (Vector128.ConvertToSingle(q3) * scale).Store(values + 12);
    }

    /// <summary>values = q·scale + offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ScaleAdd(Vector128<byte> q, float scale, float offset, float* values)
    {
        Vector128<float> add = Vector128.Create(offset);
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q.AsSByte());
        (Vector128<int> q0, Vector128<int> q1) = Vector128.Widen(low);
        (Vector128<int> q2, Vector128<int> q3) = Vector128.Widen(high);
        (Vector128.ConvertToSingle(q0) * scale + add).Store(values);
        (Vector128.ConvertToSingle(q1) * scale + add).Store(values + 4);
        (Vector128.ConvertToSingle(q2) * scale + add).Store(values + 8);
        (Vector128.ConvertToSingle(q3) * scale + add).Store(values + 12);
    }

    /// <summary>
    /// Bits <paramref name="shift"/> and up of each of 16 bytes, as far as <paramref name="mask"/> says.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bits(byte* source, int shift, byte mask) =>
        (Vector128.Load(source).AsUInt16() >>> shift).AsByte() & Vector128.Create(mask);

    /// <summary>Byte i is bit i of <paramref name="bits"/>, moved to <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Spread(uint bits, byte value)
    {
        Vector128<byte> select = Vector128.Create(0x8040201008040201ul).AsByte();
        Vector128<byte> low = Vector128.Create((byte)bits), high = Vector128.Create((byte)(bits >> 8));
        Vector128<byte> bytes = Vector128.Create(low.GetLower(), high.GetLower());
        return Vector128.Equals(bytes & select, select) & Vector128.Create(value);
    }
}
