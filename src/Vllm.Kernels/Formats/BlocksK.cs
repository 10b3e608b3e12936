using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

// ggml's K formats: super-blocks of 256 values in groups of 16 or 32, whose scales (and minima) are small integers
// under one fp16 scale d (and dmin) for all. Layouts as in ggml-common.h; a byte of quants always holds values that
// lie 32 or 64 apart, so that vectors unpack them by shift and mask.

/// <summary>value = d·s·q - dmin·m, q of 2 bits; s and m are the low and high nibble of a byte for 16 values.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ2_K : IQuantBlock<BlockQ2_K>
{
    public fixed byte Scales[16];
    public fixed byte Qs[64];
    public Half D;
    public Half DMin;

    public static GgmlType Type => GgmlType.Q2_K;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ2_K* block, float* values)
    {
        var d = (float)block->D;
        var dMin = (float)block->DMin;
        for (int group = 0; group < 16; group++)
        {
            float scale = d * (block->Scales[group] & 0xF);
            float min = dMin * (block->Scales[group] >> 4);
            byte* qs = block->Qs + group / 8 * 32 + group % 2 * 16;
            int shift = group % 8 / 2 * 2;
            Quants.ScaleAdd(Quants.Bits(qs, shift, 3), scale, -min, values + group * 16);
        }
    }
}

/// <summary>
/// value = d·(s - 32)·(q - 4), q of 3 bits: two in Qs, the third in HMask, whose bit j of byte i is of value 32j + i.
/// The 16 scales have 6 bits: low nibbles in the first 8 bytes of Scales, two high bits each in the last 4.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ3_K : IQuantBlock<BlockQ3_K>
{
    public fixed byte HMask[32];
    public fixed byte Qs[64];
    public fixed byte Scales[12];
    public Half D;

    public static GgmlType Type => GgmlType.Q3_K;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ3_K* block, float* values)
    {
        var d = (float)block->D;
        for (int group = 0; group < 16; group++)
        {
            float scale = d * (Scale(block, group) - 32);
            byte* qs = block->Qs + group / 8 * 32 + group % 2 * 16;
            byte* hMask = block->HMask + group % 2 * 16;
            int shift = group % 8 / 2 * 2;
            Vector128<byte> q = Quants.Bits(qs, shift, 3) | Quants.Bits(hMask, group / 2, 1) << 2;
            Quants.Scale((q - Vector128.Create((byte)4)).AsSByte(), scale, values + group * 16);
        }
    }

    /// <summary>The scale of a group of 16 values, 0 to 63, before 32 is subtracted.</summary>
    public static int Scale(BlockQ3_K* block, int group)
    {
        int low = (block->Scales[group % 8] >> (group / 8 * 4)) & 0xF;
        int high = (block->Scales[8 + group % 4] >> (group / 4 * 2)) & 3;
        return low | high << 4;
    }
}

/// <summary>
/// Scales and minima of 6 bits for the 8 groups of <see cref="BlockQ4_K"/> and <see cref="BlockQ5_K"/>.
/// </summary>
static unsafe class ScalesK4
{
    public const int SizeBytes = 12;

    /// <summary>
    /// Groups 0-3 have a byte each for scale and minimum; 4-7 have nibbles, and the top bits of those bytes.
    /// </summary>
    public static (int Scale, int Min) Get(byte* scales, int group) => group < 4
        ? (scales[group] & 63, scales[group + 4] & 63)
        : (scales[group + 4] & 0xF | scales[group - 4] >> 6 << 4, scales[group + 4] >> 4 | scales[group] >> 6 << 4);
}

/// <summary>value = d·s·q - dmin·m, q of 4 bits, s and m of 6 bits for 32 values.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ4_K : IQuantBlock<BlockQ4_K>
{
    public Half D;
    public Half DMin;
    public fixed byte Scales[ScalesK4.SizeBytes];
    public fixed byte Qs[128];

    public static GgmlType Type => GgmlType.Q4_K;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ4_K* block, float* values)
    {
        var d = (float)block->D;
        var dMin = (float)block->DMin;
        for (int group = 0; group < 8; group++)
        {
            (int s, int m) = ScalesK4.Get(block->Scales, group);
            float scale = d * s;
            float min = dMin * m;
            byte* qs = block->Qs + group / 2 * 32;
            int shift = group % 2 * 4;
            for (int i = 0; i < 32; i += Quants.Count)
                Quants.ScaleAdd(Quants.Bits(qs + i, shift, 0xF), scale, -min, values + group * 32 + i);
        }
    }
}

/// <summary>As <see cref="BlockQ4_K"/> with q of 5 bits: bit j of Qh byte i is the fifth of value 32j + i.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ5_K : IQuantBlock<BlockQ5_K>
{
    public Half D;
    public Half DMin;
    public fixed byte Scales[ScalesK4.SizeBytes];
    public fixed byte Qh[32];
    public fixed byte Qs[128];

    public static GgmlType Type => GgmlType.Q5_K;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ5_K* block, float* values)
    {
        var d = (float)block->D;
        var dMin = (float)block->DMin;
        for (int group = 0; group < 8; group++)
        {
            (int s, int m) = ScalesK4.Get(block->Scales, group);
            float scale = d * s;
            float min = dMin * m;
            byte* qs = block->Qs + group / 2 * 32;
            int shift = group % 2 * 4;
            for (int i = 0; i < 32; i += Quants.Count)
            {
                Vector128<byte> q = Quants.Bits(qs + i, shift, 0xF) | Quants.Bits(block->Qh + i, group, 1) << 4;
                Quants.ScaleAdd(q, scale, -min, values + group * 32 + i);
            }
        }
    }
}

/// <summary>
/// value = d·s·(q - 32), s a signed byte for 16 values, q of 6 bits: four in Ql, two in Qh. Each half of 128 values
/// has 64 bytes of Ql (nibbles 64 values apart) and 32 of Qh (pairs of bits 32 values apart).
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockQ6_K : IQuantBlock<BlockQ6_K>
{
    public fixed byte Ql[128];
    public fixed byte Qh[64];
    public fixed sbyte Scales[16];
    public Half D;

    public static GgmlType Type => GgmlType.Q6_K;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockQ6_K* block, float* values)
    {
        var d = (float)block->D;
        for (int group = 0; group < 16; group++)
        {
            float scale = d * block->Scales[group];
            int half = group / 8, quarter = group % 8 / 2, odd = group % 2;
            byte* ql = block->Ql + half * 64 + quarter % 2 * 32 + odd * 16;
            byte* qh = block->Qh + half * 32 + odd * 16;
            int lowShift = quarter / 2 * 4;
            int highShift = quarter * 2;
            Vector128<byte> q = Quants.Bits(ql, lowShift, 0xF) | Quants.Bits(qh, highShift, 3) << 4;
            Quants.Scale((q - Vector128.Create((byte)32)).AsSByte(), scale, values + group * 16);
        }
    }
}
