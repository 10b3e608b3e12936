namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): a function from (key, counter) to 128
/// random bits. Nothing is stored, so that a draw depends on its seed and position only.
/// </summary>
public static class Philox
{
    const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    const uint Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;

    /// <summary>The four words of one counter value.</summary>
    public static (uint A, uint B, uint C, uint D) Generate(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>noise[i] = a draw of the exponential distribution with rate 1 that belongs to
    /// (<paramref name="seed"/>, <paramref name="position"/>, <paramref name="stream"/>, ids[i]), whatever the other ids are.</summary>
    public static void Exponential(
        ulong seed, uint position, uint stream, ReadOnlySpan<int> ids, Span<float> noise)
    {
        int group = -1;
        (uint A, uint B, uint C, uint D) words = default;
        for (int i = 0; i < ids.Length; i++)
        {
            // Four neighbouring ids share one counter value.
            if (ids[i] >> 2 != group)
            {
                group = ids[i] >> 2;
                words = Generate(seed, (uint)group, position, stream, 0);
            }
            uint word = (ids[i] & 3) switch { 0 => words.A, 1 => words.B, 2 => words.C, _ => words.D };
            // Double precision: the race is decided by the smallest draws, where u is next to 1.
            noise[i] = (float)-Math.Log((word + 0.5) * (1.0 / 4294967296.0));
        }
    }
}
