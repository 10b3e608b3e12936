using System.Runtime.InteropServices;

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

    public static void Dequantize(BlockQ4_0* block, float* values)
    {
        var d = (float)block->D;
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((block->Qs[i] & 0xF) - 8) * d;
            values[i + 16] = ((block->Qs[i] >> 4) - 8) * d;
        }
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

    public static void Dequantize(BlockQ4_1* block, float* values)
    {
        var d = (float)block->D;
        var m = (float)block->M;
        for (int i = 0; i < 16; i++)
        {
            values[i] = (block->Qs[i] & 0xF) * d + m;
            values[i + 16] = (block->Qs[i] >> 4) * d + m;
        }
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

    public static void Dequantize(BlockQ5_0* block, float* values)
    {
        var d = (float)block->D;
        uint high = block->Qh;
        for (int i = 0; i < 16; i++)
        {
            values[i] = ((block->Qs[i] & 0xF | Fifth(high, i)) - 16) * d;
            values[i + 16] = ((block->Qs[i] >> 4 | Fifth(high, i + 16)) - 16) * d;
        }
    }

    public static int Fifth(uint high, int i) => (int)(high >> i & 1) << 4;
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

    public static void Dequantize(BlockQ5_1* block, float* values)
    {
        var d = (float)block->D;
        var m = (float)block->M;
        uint high = block->Qh;
        for (int i = 0; i < 16; i++)
        {
            values[i] = (block->Qs[i] & 0xF | BlockQ5_0.Fifth(high, i)) * d + m;
            values[i + 16] = (block->Qs[i] >> 4 | BlockQ5_0.Fifth(high, i + 16)) * d + m;
        }
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

    public static void Dequantize(BlockQ8_0* block, float* values)
    {
        var d = (float)block->D;
        for (int i = 0; i < 32; i++) values[i] = block->Qs[i] * d;
    }
}
