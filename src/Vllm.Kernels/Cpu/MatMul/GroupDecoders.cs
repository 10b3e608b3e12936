using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vllm.Kernels.Formats;

namespace Vllm.Kernels.Cpu.MatMul;

// One decoder for each stored format that stays quantized: a group of a row as the codes, scale and min of its
// PanelFormat. Codes come out as the panels hold them: unsigned, with the format's code offset added.

/// <summary>Reads groups of a stored row.</summary>
unsafe interface IGroupDecoder
{
    static abstract PanelFormat Format { get; }

    /// <param name="row">First byte of the stored row.</param>
    /// <param name="group">Which group of <see cref="PanelFormat.GroupSize"/> columns.</param>
    /// <param name="codes">[GroupSize].</param>
    static abstract GroupScales Decode(byte* row, int group, byte* codes);
}

readonly unsafe struct Q4_0Decoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ4_0* block = (BlockQ4_0*)row + group;
        Nibbles.Split(block->Qs, codes);
        return new(block->D, default);
    }
}

readonly unsafe struct Q4_1Decoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int4Min;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ4_1* block = (BlockQ4_1*)row + group;
        Nibbles.Split(block->Qs, codes);
        return new(block->D, block->M);
    }
}

readonly unsafe struct Q5_0Decoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ5_0* block = (BlockQ5_0*)row + group;
        Nibbles.Join(block->Qs, block->Qh, codes);
        return new(block->D, default);
    }
}

readonly unsafe struct Q5_1Decoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int5Min;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ5_1* block = (BlockQ5_1*)row + group;
        Nibbles.Join(block->Qs, block->Qh, codes);
        return new(block->D, block->M);
    }
}

readonly unsafe struct Q8_0Decoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ8_0* block = (BlockQ8_0*)row + group;
        (Vector256.Load((byte*)block->Qs) ^ Vector256.Create((byte)0x80)).Store(codes);
        return new(block->D, default);
    }
}

readonly unsafe struct Q2_KDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int2K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ2_K* block = (BlockQ2_K*)row + group / 16;
        group %= 16;
        byte* qs = block->Qs + group / 8 * 32 + group % 2 * 16;
        int shift = group % 8 / 2 * 2;
        Quants.Bits(qs, shift, 3).Store(codes);
        int scales = block->Scales[group];
        return new(block->D, block->DMin, scales & 0xF, -(scales >> 4));
    }
}

readonly unsafe struct Q3_KDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int3K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ3_K* block = (BlockQ3_K*)row + group / 16;
        group %= 16;
        byte* qs = block->Qs + group / 8 * 32 + group % 2 * 16;
        byte* hMask = block->HMask + group % 2 * 16;
        int shift = group % 8 / 2 * 2;
        (Quants.Bits(qs, shift, 3) | Quants.Bits(hMask, group / 2, 1) << 2).Store(codes);
        return new(block->D, default, BlockQ3_K.Scale(block, group) - 32);
    }
}

readonly unsafe struct Q4_KDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int4K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ4_K* block = (BlockQ4_K*)row + group / 8;
        group %= 8;
        Vector256<byte> qs = Vector256.Load(block->Qs + group / 2 * 32);
        (group % 2 == 0 ? qs & Vector256.Create((byte)0xF) : qs >>> 4).Store(codes);
        (int scale, int min) = ScalesK4.Get(block->Scales, group);
        return new(block->D, block->DMin, scale, -min);
    }
}

readonly unsafe struct Q5_KDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int5K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ5_K* block = (BlockQ5_K*)row + group / 8;
        group %= 8;
        byte* qs = block->Qs + group / 2 * 32;
        int shift = group % 2 * 4;
        for (int i = 0; i < 32; i += Quants.Count)
            (Quants.Bits(qs + i, shift, 0xF) | Quants.Bits(block->Qh + i, group, 1) << 4).Store(codes + i);
        (int scale, int min) = ScalesK4.Get(block->Scales, group);
        return new(block->D, block->DMin, scale, -min);
    }
}

readonly unsafe struct Q6_KDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int6K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockQ6_K* block = (BlockQ6_K*)row + group / 16;
        group %= 16;
        int half = group / 8, quarter = group % 8 / 2, odd = group % 2;
        byte* ql = block->Ql + half * 64 + quarter % 2 * 32 + odd * 16;
        byte* qh = block->Qh + half * 32 + odd * 16;
        (Quants.Bits(ql, quarter / 2 * 4, 0xF) | Quants.Bits(qh, quarter * 2, 3) << 4).Store(codes);
        return new(block->D, default, block->Scales[group]);
    }
}

readonly unsafe struct IQ4_NLDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockIQ4_NL* block = (BlockIQ4_NL*)row + group;
        Nibbles.LookUp(block->Qs, codes);
        return new(block->D, default);
    }
}

readonly unsafe struct IQ4_XSDecoder : IGroupDecoder
{
    public static PanelFormat Format => PanelFormat.Int8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupScales Decode(byte* row, int group, byte* codes)
    {
        BlockIQ4_XS* block = (BlockIQ4_XS*)row + group / 8;
        group %= 8;
        Nibbles.LookUp(block->Qs + group * 16, codes);
        int low = block->ScalesL[group / 2] >> (group % 2 * 4) & 0xF;
        int high = block->ScalesH >> (group * 2) & 3;
        return new((Half)((float)block->D * ((low | high << 4) - 32)), default);
    }
}

static unsafe class Nibbles
{
    /// <summary>16 bytes to 32 values of the IQ4_NL table, 128 added.</summary>
    public static void LookUp(byte* qs, byte* codes)
    {
        Split(qs, codes);
        for (int i = 0; i < 32; i += 16)
        {
            Vector128<byte> values = Codes.LookUp(Codes.IQ4_NL, Vector128.Load(codes + i)).AsByte();
            (values ^ Vector128.Create((byte)0x80)).Store(codes + i);
        }
    }

    /// <summary>16 bytes and 32 fifth bits to 32 codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Join(byte* qs, uint fifths, byte* codes)
    {
        (Quants.Bits(qs, 0, 0xF) | Quants.Spread(fifths, 0x10)).Store(codes);
        (Quants.Bits(qs, 4, 0xF) | Quants.Spread(fifths >> 16, 0x10)).Store(codes + 16);
    }

    /// <summary>16 bytes to 32 codes: the low nibbles, then the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(byte* qs, byte* codes)
    {
        Vector128<byte> bytes = Vector128.Load(qs);
        (bytes & Vector128.Create((byte)0xF)).Store(codes);
        (bytes >>> 4).Store(codes + 16);
    }
}
