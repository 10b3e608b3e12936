using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Formats;

/// <summary>Sets the scales of a block of random bits for <see cref="RandomWeights"/>.</summary>
unsafe interface IRandomScale<TBlock> where TBlock : unmanaged
{
    /// <summary>Deviation of the block's values under a scale of 1: its codes', times its groups' scales'.</summary>
    static abstract float CodeDeviation { get; }

    static abstract void Set(TBlock* block, float scale, ref SplitMix64 random);
}

/// <summary>Root mean squares of evenly distributed codes.</summary>
static class CodeDeviations
{
    /// <summary>Of 2^bits codes around their own mean: formats with a minimum that centres them.</summary>
    public static float Centred(int bits) => MathF.Sqrt((MathF.ScaleB(1, 2 * bits) - 1) / 12);

    /// <summary>Of −2^(bits − 1) … 2^(bits − 1) − 1, whose mean is −½.</summary>
    public static float Signed(int bits) => MathF.Sqrt((MathF.ScaleB(1, 2 * bits) - 1) / 12 + 0.25f);

    /// <summary>Of 0 … 2^bits − 1.</summary>
    public static float Unsigned(int bits)
    {
        float max = MathF.ScaleB(1, bits) - 1;
        return MathF.Sqrt(max * (2 * max + 1) / 6);
    }

    public static float Of(Vector128<sbyte> table)
    {
        float sum = 0;
        for (int i = 0; i < Vector128<sbyte>.Count; i++) sum += table[i] * table[i];
        return MathF.Sqrt(sum / Vector128<sbyte>.Count);
    }
}

readonly unsafe struct Q4_0Scale : IRandomScale<BlockQ4_0>
{
    public static float CodeDeviation => CodeDeviations.Signed(4);

    public static void Set(BlockQ4_0* block, float scale, ref SplitMix64 random) =>
        block->D = (Half)(scale * random.NextSign());
}

readonly unsafe struct Q4_1Scale : IRandomScale<BlockQ4_1>
{
    public static float CodeDeviation => CodeDeviations.Centred(4);

    public static void Set(BlockQ4_1* block, float scale, ref SplitMix64 random) =>
        (block->D, block->M) = ((Half)scale, (Half)(-7.5f * scale));
}

readonly unsafe struct Q5_0Scale : IRandomScale<BlockQ5_0>
{
    public static float CodeDeviation => CodeDeviations.Signed(5);

    public static void Set(BlockQ5_0* block, float scale, ref SplitMix64 random) =>
        block->D = (Half)(scale * random.NextSign());
}

readonly unsafe struct Q5_1Scale : IRandomScale<BlockQ5_1>
{
    public static float CodeDeviation => CodeDeviations.Centred(5);

    public static void Set(BlockQ5_1* block, float scale, ref SplitMix64 random) =>
        (block->D, block->M) = ((Half)scale, (Half)(-15.5f * scale));
}

readonly unsafe struct Q8_0Scale : IRandomScale<BlockQ8_0>
{
    public static float CodeDeviation => CodeDeviations.Signed(8);

    public static void Set(BlockQ8_0* block, float scale, ref SplitMix64 random)
    {
        block->D = (Half)scale;
        // ggml's quantizer never writes −128, and kernels that negate bytes count on it.
        for (int i = 0; i < BlockQ8_0.NumValues; i++) block->Qs[i] = Math.Max(block->Qs[i], (sbyte)-127);
    }
}

readonly unsafe struct Q2_KScale : IRandomScale<BlockQ2_K>
{
    public static float CodeDeviation => CodeDeviations.Centred(2) * CodeDeviations.Unsigned(4);

    public static void Set(BlockQ2_K* block, float scale, ref SplitMix64 random)
    {
        (block->D, block->DMin) = ((Half)scale, (Half)(1.5f * scale));
        // The minimum that centres a group's codes is its scale times DMin.
        for (int i = 0; i < 16; i++) block->Scales[i] = (byte)((block->Scales[i] & 0xF) * 0x11);
    }
}

readonly unsafe struct Q3_KScale : IRandomScale<BlockQ3_K>
{
    public static float CodeDeviation => CodeDeviations.Signed(3) * CodeDeviations.Signed(6);

    public static void Set(BlockQ3_K* block, float scale, ref SplitMix64 random) => block->D = (Half)scale;
}

readonly unsafe struct Q4_KScale : IRandomScale<BlockQ4_K>
{
    public static float CodeDeviation => CodeDeviations.Centred(4) * CodeDeviations.Unsigned(6);

    public static void Set(BlockQ4_K* block, float scale, ref SplitMix64 random)
    {
        (block->D, block->DMin) = ((Half)scale, (Half)(7.5f * scale));
        SetMinsToScales(block->Scales);
    }

    /// <summary>The minimum that centres a group's codes is its scale times DMin; packed as <see cref="ScalesK4"/>
    /// reads.</summary>
    public static void SetMinsToScales(byte* scales)
    {
        for (int group = 0; group < 4; group++)
        {
            scales[group + 4] = scales[group];
            scales[group + 8] = (byte)((scales[group + 8] & 0xF) * 0x11);
        }
    }
}

readonly unsafe struct Q5_KScale : IRandomScale<BlockQ5_K>
{
    public static float CodeDeviation => CodeDeviations.Centred(5) * CodeDeviations.Unsigned(6);

    public static void Set(BlockQ5_K* block, float scale, ref SplitMix64 random)
    {
        (block->D, block->DMin) = ((Half)scale, (Half)(15.5f * scale));
        Q4_KScale.SetMinsToScales(block->Scales);
    }
}

readonly unsafe struct Q6_KScale : IRandomScale<BlockQ6_K>
{
    public static float CodeDeviation => CodeDeviations.Signed(6) * CodeDeviations.Signed(8);

    public static void Set(BlockQ6_K* block, float scale, ref SplitMix64 random) => block->D = (Half)scale;
}

readonly unsafe struct IQ4_NLScale : IRandomScale<BlockIQ4_NL>
{
    public static float CodeDeviation { get; } = CodeDeviations.Of(Codes.IQ4_NL);

    public static void Set(BlockIQ4_NL* block, float scale, ref SplitMix64 random) =>
        block->D = (Half)(scale * random.NextSign());
}

readonly unsafe struct IQ4_XSScale : IRandomScale<BlockIQ4_XS>
{
    public static float CodeDeviation { get; } = CodeDeviations.Of(Codes.IQ4_NL) * CodeDeviations.Signed(6);

    public static void Set(BlockIQ4_XS* block, float scale, ref SplitMix64 random) => block->D = (Half)scale;
}

/// <summary>A power of two is rarely the scale: the two around it are mixed so that the mean square is right.</summary>
readonly unsafe struct MXFP4Scale : IRandomScale<BlockMXFP4>
{
    const int ExponentBias = 127;

    public static float CodeDeviation { get; } = CodeDeviations.Of(Codes.E2M1Doubled) / 2;

    public static void Set(BlockMXFP4* block, float scale, ref SplitMix64 random)
    {
        int exponent = MathF.ILogB(scale);
        double share = (Math.Pow(MathF.ScaleB(scale, -exponent), 2) - 1) / 3;
        int chosen = random.NextUnit() <= share ? exponent + 1 : exponent;
        block->E = (byte)Math.Clamp(chosen + ExponentBias, 0, 254);
    }
}

readonly unsafe struct TQ1_0Scale : IRandomScale<BlockTQ1_0>
{
    /// <summary>−1, 0 and 1.</summary>
    public static float CodeDeviation { get; } = MathF.Sqrt(2f / 3);

    public static void Set(BlockTQ1_0* block, float scale, ref SplitMix64 random) => block->D = (Half)scale;
}

readonly unsafe struct TQ2_0Scale : IRandomScale<BlockTQ2_0>
{
    /// <summary>−1, 0 twice, and 1: the fourth code is not used by the format.</summary>
    public static float CodeDeviation { get; } = MathF.Sqrt(0.5f);

    public static void Set(BlockTQ2_0* block, float scale, ref SplitMix64 random)
    {
        block->D = (Half)scale;
        // 3 becomes 1: its high bit goes.
        for (int i = 0; i < 64; i++) block->Qs[i] &= (byte)~((block->Qs[i] & block->Qs[i] << 1) & 0xAA);
    }
}

readonly unsafe struct Q1_0Scale : IRandomScale<BlockQ1_0>
{
    public static float CodeDeviation => 1;

    public static void Set(BlockQ1_0* block, float scale, ref SplitMix64 random) => block->D = (Half)scale;
}

readonly unsafe struct Q2_0Scale : IRandomScale<BlockQ2_0>
{
    /// <summary>−1 to 2.</summary>
    public static float CodeDeviation => CodeDeviations.Signed(2);

    public static void Set(BlockQ2_0* block, float scale, ref SplitMix64 random) =>
        block->D = (Half)(scale * random.NextSign());
}
