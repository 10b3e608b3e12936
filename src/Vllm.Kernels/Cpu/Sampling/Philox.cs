using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): a function from (key, counter) to 128
/// random bits. Nothing is stored, so that a draw depends on its seed and position only.
/// </summary>
public static class Philox
{
    const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57, Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;

    /// <summary>The largest float below 1, whose draw is 16.6. An infinite draw would give a token the score of one
    /// without weight.</summary>
    const float LargestUniform = 0.99999994f;

    /// <summary>The four words of one counter value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (uint A, uint B, uint C, uint D) Generate(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            c0 = (uint)(p1 >> 32) ^ c1 ^ k0;
            c1 = (uint)p1;
            c2 = (uint)(p0 >> 32) ^ c3 ^ k1;
            c3 = (uint)p0;
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>noise[i] = a draw of the exponential distribution with rate 1 that belongs to (seed, position, stream,
    /// ids[i]), whatever the other ids are. Neighbouring ids are cheaper: four share one counter value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Exponential(
        ulong seed, uint position, uint stream, ReadOnlySpan<int> ids, Span<float> noise)
    {
        const int Batch = 16; // logarithms at a time
        Span<float> uniform = stackalloc float[Batch];
        uniform.Clear();
        int group = -1;
        (uint A, uint B, uint C, uint D) words = default;
        for (int start = 0; start < ids.Length; start += Batch)
        {
            int count = Math.Min(Batch, ids.Length - start);
            for (int i = 0; i < count; i++)
            {
                int id = ids[start + i];
                if (id >> 2 != group)
                {
                    group = id >> 2;
                    words = Generate(seed, (uint)group, position, stream, 0);
                }
                uint word = (id & 3) switch { 0 => words.A, 1 => words.B, 2 => words.C, _ => words.D };
                uniform[i] = Math.Min((word + 0.5f) * (1 / 4294967296f), LargestUniform);
            }
            NegatedLogOfComplement(uniform);
            uniform[..count].CopyTo(noise[start..]);
        }
    }

    /// <summary>16 times: v = -log(1 - v) in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void NegatedLogOfComplement(Span<float> v)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            // The smallest draws decide the race, and 1 - v has lost their last bits. But log(w) / (1 - w) for the
            // rounded w hardly differs from that for the exact one, so its product with v has them.
            Vector512<float> u = Vector512.Create<float>(v), w = Vector512<float>.One - u;
            Vector512<float> lost = Vector512<float>.One - w;
            Vector512<float> scaled = -Vector512.Log(w) * u / lost;
            Vector512.ConditionalSelect(Vector512.Equals(lost, Vector512<float>.Zero), u, scaled).CopyTo(v);
            return;
        }
        for (int i = 0; i < v.Length; i += Vector128<float>.Count)
        {
            Vector128<float> u = Vector128.Create<float>(v[i..]), w = Vector128<float>.One - u;
            Vector128<float> lost = Vector128<float>.One - w;
            Vector128<float> scaled = -Vector128.Log(w) * u / lost;
            Vector128.ConditionalSelect(Vector128.Equals(lost, Vector128<float>.Zero), u, scaled).CopyTo(v[i..]);
        }
    }
}
