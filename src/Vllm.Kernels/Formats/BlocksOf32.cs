using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

// ggml's first formats: 32 values share a scale d, and a minimum m in the _1 formats. A byte of Qs holds value i in its
// low and value i + 16 in its high nibble. Layouts as in ggml-common.h.

/// <summary>value = (q - 8)·d, q of 4 bits.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ4_0 : IQuantBlock<BlockQ4_0>
{
    public Half D;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q4_0;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ4_0* block, float* values)
    {
        var d = (float)block->D;
        Vector128<byte> bias = Vector128.Create((byte)8);
        Quants.Scale((Quants.Bits(block->Qs, 0, 0xF) - bias).AsSByte(), d, values);
        Quants.Scale((Quants.Bits(block->Qs, 4, 0xF) - bias).AsSByte(), d, values + Quants.Count);
    }
}

/// <summary>value = q·d + m, q of 4 bits.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ4_1 : IQuantBlock<BlockQ4_1>
{
    public Half D;
    public Half M;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q4_1;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ4_1* block, float* values)
    {
        var d = (float)block->D;
        var m = (float)block->M;
        Quants.ScaleAdd(Quants.Bits(block->Qs, 0, 0xF), d, m, values);
        Quants.ScaleAdd(Quants.Bits(block->Qs, 4, 0xF), d, m, values + Quants.Count);
    }
}

/// <summary>value = (q - 16)·d, q of 5 bits: the fifth of value i is bit i of Qh.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ5_0 : IQuantBlock<BlockQ5_0>
{
    public Half D;
    public uint Qh;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q5_0;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ5_0* block, float* values)
    {
        var d = (float)block->D;
        Vector128<byte> bias = Vector128.Create((byte)16);
        Vector128<byte> low = Quants.Bits(block->Qs, 0, 0xF) | Quants.Spread(block->Qh, 0x10);
        Vector128<byte> high = Quants.Bits(block->Qs, 4, 0xF) | Quants.Spread(block->Qh >> 16, 0x10);
        Quants.Scale((low - bias).AsSByte(), d, values);
        Quants.Scale((high - bias).AsSByte(), d, values + Quants.Count);
    }
}

/// <summary>value = q·d + m, q of 5 bits as in <see cref="BlockQ5_0"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ5_1 : IQuantBlock<BlockQ5_1>
{
    public Half D;
    public Half M;
    public uint Qh;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q5_1;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ5_1* block, float* values)
    {
        var d = (float)block->D;
        var m = (float)block->M;
        Vector128<byte> low = Quants.Bits(block->Qs, 0, 0xF) | Quants.Spread(block->Qh, 0x10);
        Vector128<byte> high = Quants.Bits(block->Qs, 4, 0xF) | Quants.Spread(block->Qh >> 16, 0x10);
        Quants.ScaleAdd(low, d, m, values);
        Quants.ScaleAdd(high, d, m, values + Quants.Count);
    }
}

/// <summary>value = q·d, q of 8 bits, signed.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ8_0 : IQuantBlock<BlockQ8_0>
{
    public Half D;
    public fixed sbyte Qs[32];

    public static GgmlType Type => GgmlType.Q8_0;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ8_0* block, float* values)
    {
        var d = (float)block->D;
        Quants.Scale(Vector128.Load(block->Qs), d, values);
        Quants.Scale(Vector128.Load(block->Qs + Quants.Count), d, values + Quants.Count);
    }
}
