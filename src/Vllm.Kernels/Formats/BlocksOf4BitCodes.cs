using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

// Formats whose four bits are an index into a table of sixteen values. Layouts as in ggml-common.h.

/// <summary>The tables, as signed bytes.</summary>
static class Codes
{
    /// <summary>kvalues_iq4nl: denser around zero than even steps.</summary>
    public static Vector128<sbyte> IQ4_NL =>
        Vector128.Create(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    /// <summary>The values of E2M1, doubled, so that they are whole numbers; scales are halved in return.</summary>
    public static Vector128<sbyte> E2M1Doubled =>
        Vector128.Create(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> LookUp(Vector128<sbyte> table, Vector128<byte> codes) =>
        Vector128.Shuffle(table, codes.AsSByte());

    /// <summary>2^(e - 127) / 2, subnormal for the two smallest.</summary>
    public static float E8M0Halved(byte e) =>
        BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);

    /// <summary>
    /// Unsigned E4M3 / 2; ggml takes 0x7F, the NaN of the format, for zero, and ignores the sign bit.
    /// </summary>
    public static float E4M3Halved(byte e4m3)
    {
        if (e4m3 is 0 or 0x7F) return 0;
        int exponent = (e4m3 >> 3) & 0xF;
        int mantissa = e4m3 & 7;
        return exponent == 0
            ? MathF.ScaleB(mantissa, -10)
            : MathF.ScaleB(8 + mantissa, exponent - 11);
    }
}

/// <summary>value = d·table[q]; nibbles as in <see cref="BlockQ4_0"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockIQ4_NL : IQuantBlock<BlockIQ4_NL>
{
    public Half D;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.IQ4_NL;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockIQ4_NL* block, float* values)
    {
        var d = (float)block->D;
        Quants.Scale(Codes.LookUp(Codes.IQ4_NL, Quants.Bits(block->Qs, 0, 0xF)), d, values);
        Quants.Scale(Codes.LookUp(Codes.IQ4_NL, Quants.Bits(block->Qs, 4, 0xF)), d, values + Quants.Count);
    }
}

/// <summary>value = d·(s - 32)·table[q], s of 6 bits for 32 values: four in ScalesL, two in ScalesH.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockIQ4_XS : IQuantBlock<BlockIQ4_XS>
{
    public Half D;
    public ushort ScalesH;
    public fixed byte ScalesL[4];
    public fixed byte Qs[128];

    public static GgmlType Type => GgmlType.IQ4_XS;

    public static int NumValues => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockIQ4_XS* block, float* values)
    {
        var d = (float)block->D;
        for (int group = 0; group < 8; group++)
        {
            int low = (block->ScalesL[group / 2] >> (group % 2 * 4)) & 0xF;
            int high = (block->ScalesH >> (group * 2)) & 3;
            float scale = d * ((low | high << 4) - 32);
            byte* qs = block->Qs + group * 16;
            float* to = values + group * 32;
            Quants.Scale(Codes.LookUp(Codes.IQ4_NL, Quants.Bits(qs, 0, 0xF)), scale, to);
            Quants.Scale(Codes.LookUp(Codes.IQ4_NL, Quants.Bits(qs, 4, 0xF)), scale, to + Quants.Count);
        }
    }
}

/// <summary>OCP MXFP4: E2M1 values under a power of two; nibbles as in <see cref="BlockQ4_0"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockMXFP4 : IQuantBlock<BlockMXFP4>
{
    public byte E;
    public fixed byte Qs[16];

    public static GgmlType Type => GgmlType.MXFP4;

    public static int NumValues => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockMXFP4* block, float* values)
    {
        float d = Codes.E8M0Halved(block->E);
        Quants.Scale(Codes.LookUp(Codes.E2M1Doubled, Quants.Bits(block->Qs, 0, 0xF)), d, values);
        Quants.Scale(Codes.LookUp(Codes.E2M1Doubled, Quants.Bits(block->Qs, 4, 0xF)), d, values + Quants.Count);
    }
}

/// <summary>
/// NVFP4: E2M1 values, an E4M3 scale for each group of 16, whose first eight values are the low nibbles of its eight
/// bytes and whose last eight are the high ones.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
unsafe struct BlockNVFP4 : IQuantBlock<BlockNVFP4>
{
    public fixed byte D[4];
    public fixed byte Qs[32];

    public static GgmlType Type => GgmlType.NVFP4;

    public static int NumValues => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Dequantize(BlockNVFP4* block, float* values)
    {
        for (int group = 0; group < 4; group++)
        {
            Vector64<byte> qs = Vector64.Load(block->Qs + group * 8);
            Vector128<byte> codes = Vector128.Create(qs & Vector64.Create((byte)0xF), qs >>> 4);
            float scale = Codes.E4M3Halved(block->D[group]);
            Quants.Scale(Codes.LookUp(Codes.E2M1Doubled, codes), scale, values + group * Quants.Count);
        }
    }
}
