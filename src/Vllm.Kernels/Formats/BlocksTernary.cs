using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

// Formats of one or two bits a weight without groups: -1, 0, 1 (or 2) times one scale. Layouts as in ggml-common.h.

/// <summary>
/// value = (t - 1)·d, five ternary digits a byte. The byte is the fraction 0.t0 t1 t2 t3 t4 in base 3, times 256:
/// multiplied by 3^n it has digit n in front of the point. Byte i holds values i, i + 32 … (of the last 16 bytes, and
/// the four of Qh, values that many apart).
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockTQ1_0 : IQuantBlock<BlockTQ1_0>
{
    public fixed byte Qs[48];
    public fixed byte Qh[4];
    public Half D;

    public static GgmlType Type => GgmlType.TQ1_0;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockTQ1_0* block, float* values)
    {
        var d = (float)block->D;
        values = Digits(block->Qs, numBytes: 32, numDigits: 5, d, values);
        values = Digits(block->Qs + 32, numBytes: 16, numDigits: 5, d, values);
        Digits(block->Qh, numBytes: 4, numDigits: 4, d, values);
    }

    static float* Digits(byte* source, int numBytes, int numDigits, float d, float* values)
    {
        int power = 1;
        for (int digit = 0; digit < numDigits; digit++, power *= 3)
            for (int i = 0; i < numBytes; i++)
                *values++ = (((byte)(source[i] * power) * 3 >> 8) - 1) * d;
        return values;
    }
}

/// <summary>value = (q - 1)·d, q of 2 bits, those of a byte 32 values apart.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockTQ2_0 : IQuantBlock<BlockTQ2_0>
{
    public fixed byte Qs[64];
    public Half D;

    public static GgmlType Type => GgmlType.TQ2_0;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockTQ2_0* block, float* values)
    {
        var d = (float)block->D;
        for (int group = 0; group < 16; group++)
        {
            byte* qs = block->Qs + group / 8 * 32 + group % 2 * 16;
            Vector128<byte> q = Quants.Bits(qs, group % 8 / 2 * 2, 3);
            Quants.Scale((q - Vector128<byte>.One).AsSByte(), d, values + group * Quants.Count);
        }
    }
}

/// <summary>value = d or -d; bit i of the sixteen bytes is value i.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ1_0 : IQuantBlock<BlockQ1_0>
{
    public Half D;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q1_0;

    public static int NumValues => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ1_0* block, float* values)
    {
        var d = (float)block->D;
        for (int group = 0; group < 8; group++)
        {
            uint bits = block->Qs[group * 2] | (uint)block->Qs[group * 2 + 1] << 8;
            Vector128<byte> q = Quants.Spread(bits, 2);
            Quants.Scale((q - Vector128<byte>.One).AsSByte(), d, values + group * Quants.Count);
        }
    }
}

/// <summary>value = (q - 1)·d, q of 2 bits, four neighbours a byte.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ2_0 : IQuantBlock<BlockQ2_0>
{
    public Half D;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.Q2_0;

    public static int NumValues => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ2_0* block, float* values)
    {
        var d = (float)block->D;
        for (int i = 0; i < 64; i++) values[i] = (((block->Qs[i / 4] >> (i % 4 * 2)) & 3) - 1) * d;
    }
}
