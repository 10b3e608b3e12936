using System.Runtime.InteropServices;

namespace Vllm.Kernels.Formats;

/// <summary>
/// Random weights in any stored type, with mean zero and a given standard deviation. The codes of a block are random
/// bits and its scales are set so that the values have that deviation: nothing is quantized, so that gigabytes take
/// seconds.
/// </summary>
public static unsafe class RandomWeights
{
    /// <summary>2^16 draws, so that an index is a quarter of a random number.</summary>
    const int NumNormals = 1 << 16;

    static readonly float[] Normals = MakeNormals();

    public static bool IsSupported(GgmlType type) =>
        type is GgmlType.F32 or GgmlType.F16 or GgmlType.BF16 || Scaler(type) != null;

    /// <summary>
    /// Fills <paramref name="weights"/>, whole blocks of <paramref name="type"/>; the same bytes for the same seed.
    /// </summary>
    /// <exception cref="NotSupportedException">See <see cref="IsSupported"/>.</exception>
    public static void Fill(GgmlType type, Span<byte> weights, float deviation, ulong seed)
    {
        var random = new SplitMix64(seed);
        switch (type)
        {
            case GgmlType.F32:
                Draw(MemoryMarshal.Cast<byte, float>(weights), Table(value => value * deviation), ref random);
                break;
            case GgmlType.F16:
                Draw(MemoryMarshal.Cast<byte, Half>(weights), Table(value => (Half)(value * deviation)), ref random);
                break;
            case GgmlType.BF16:
                Draw(MemoryMarshal.Cast<byte, ushort>(weights), Table(value => BF16(value * deviation)), ref random);
                break;
            default:
                FillBlocks(type, weights, deviation, ref random);
                break;
        }
    }

    static void FillBlocks(GgmlType type, Span<byte> weights, float deviation, ref SplitMix64 random)
    {
        delegate*<byte*, nint, float, ref SplitMix64, void> scaler = Scaler(type);
        if (scaler == null) throw new NotSupportedException($"no random weights of type {type}");
        (int numBlocks, int rest) = Math.DivRem(weights.Length, GgmlTypes.Block(type).SizeBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rest, 0, nameof(weights));
        random.Fill(weights);
        fixed (byte* blocks = weights) scaler(blocks, numBlocks, deviation, ref random);
    }

    static delegate*<byte*, nint, float, ref SplitMix64, void> Scaler(GgmlType type) => type switch
    {
        GgmlType.Q4_0 => &Scale<BlockQ4_0, Q4_0Scale>,
        GgmlType.Q4_1 => &Scale<BlockQ4_1, Q4_1Scale>,
        GgmlType.Q5_0 => &Scale<BlockQ5_0, Q5_0Scale>,
        GgmlType.Q5_1 => &Scale<BlockQ5_1, Q5_1Scale>,
        GgmlType.Q8_0 => &Scale<BlockQ8_0, Q8_0Scale>,
        GgmlType.Q2_K => &Scale<BlockQ2_K, Q2_KScale>,
        GgmlType.Q3_K => &Scale<BlockQ3_K, Q3_KScale>,
        GgmlType.Q4_K => &Scale<BlockQ4_K, Q4_KScale>,
        GgmlType.Q5_K => &Scale<BlockQ5_K, Q5_KScale>,
        GgmlType.Q6_K => &Scale<BlockQ6_K, Q6_KScale>,
        GgmlType.IQ4_NL => &Scale<BlockIQ4_NL, IQ4_NLScale>,
        GgmlType.IQ4_XS => &Scale<BlockIQ4_XS, IQ4_XSScale>,
        GgmlType.MXFP4 => &Scale<BlockMXFP4, MXFP4Scale>,
        GgmlType.TQ1_0 => &Scale<BlockTQ1_0, TQ1_0Scale>,
        GgmlType.TQ2_0 => &Scale<BlockTQ2_0, TQ2_0Scale>,
        GgmlType.Q1_0 => &Scale<BlockQ1_0, Q1_0Scale>,
        GgmlType.Q2_0 => &Scale<BlockQ2_0, Q2_0Scale>,
        _ => null,
    };

    static void Scale<TBlock, TScale>(byte* blocks, nint numBlocks, float deviation, ref SplitMix64 random)
        where TBlock : unmanaged
        where TScale : IRandomScale<TBlock>
    {
        float scale = deviation / TScale.CodeDeviation;
        for (nint i = 0; i < numBlocks; i++) TScale.Set((TBlock*)blocks + i, scale, ref random);
    }

    static void Draw<T>(Span<T> values, T[] table, ref SplitMix64 random)
    {
        int i = 0;
        for (; i + 4 <= values.Length; i += 4)
        {
            ulong bits = random.Next();
            values[i] = table[(ushort)bits];
            values[i + 1] = table[(ushort)(bits >> 16)];
            values[i + 2] = table[(ushort)(bits >> 32)];
            values[i + 3] = table[(ushort)(bits >> 48)];
        }
        for (; i < values.Length; i++) values[i] = table[(ushort)random.Next()];
    }

    static T[] Table<T>(Converter<float, T> convert) => Array.ConvertAll(Normals, convert);

    /// <summary>Standard normal values, by Box and Muller.</summary>
    static float[] MakeNormals()
    {
        var random = new SplitMix64(seed: 0);
        var normals = new float[NumNormals];
        for (int i = 0; i < NumNormals; i += 2)
        {
            double radius = Math.Sqrt(-2 * Math.Log(random.NextUnit()));
            (double sin, double cos) = Math.SinCos(2 * Math.PI * random.NextUnit());
            (normals[i], normals[i + 1]) = ((float)(radius * cos), (float)(radius * sin));
        }
        return normals;
    }

    static ushort BF16(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
}

/// <summary>Steele, Lea and Flood's generator: 64 bits a step, any seed is good.</summary>
struct SplitMix64(ulong seed)
{
    ulong _state = seed;

    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }

    /// <summary>In (0, 1].</summary>
    public double NextUnit() => ((Next() >> 11) + 1) * Math.ScaleB(1, -53);

    /// <summary>1 or -1, so that codes that are not symmetric (−8 … 7) still give values of mean zero.</summary>
    public float NextSign() => (long)Next() < 0 ? -1 : 1;

    public void Fill(Span<byte> bytes)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ref ulong word in words) word = Next();
        ulong last = Next();
        MemoryMarshal.AsBytes(new Span<ulong>(ref last))[..(bytes.Length % sizeof(ulong))]
            .CopyTo(bytes[(words.Length * sizeof(ulong))..]);
    }
}
