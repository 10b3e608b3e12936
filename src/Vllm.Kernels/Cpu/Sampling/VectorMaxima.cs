using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>The parts of a search for the largest element. NaN is no maximum.</summary>
static unsafe class VectorMaxima
{
    /// <summary>Lane-wise maximum of <paramref name="length"/> elements, a multiple of 4 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector OfBlock<TVector, TWidth>(float* p, int length, TVector lowest)
        where TVector : unmanaged
        where TWidth : struct, IVectorWidth<TVector>
    {
        TVector m0 = lowest, m1 = lowest, m2 = lowest, m3 = lowest;
        for (int i = 0; i < length; i += 4 * TWidth.Count)
        {
            m0 = TWidth.MaxIgnoringNaN(TWidth.Load(p + i), m0);
            m1 = TWidth.MaxIgnoringNaN(TWidth.Load(p + i + TWidth.Count), m1);
            m2 = TWidth.MaxIgnoringNaN(TWidth.Load(p + i + 2 * TWidth.Count), m2);
            m3 = TWidth.MaxIgnoringNaN(TWidth.Load(p + i + 3 * TWidth.Count), m3);
        }
        return TWidth.MaxIgnoringNaN(TWidth.MaxIgnoringNaN(m0, m1), TWidth.MaxIgnoringNaN(m2, m3));
    }

    /// <summary>(max of a, max of b, max of c, max of d).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> OfColumns(
        Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        // Lanes: max of a0 a2, a1 a3, b0 b2, b1 b3.
        Vector128<float> ab = Vector128.MaxNative(
            Vector128.Create(a.GetLower(), b.GetLower()), Vector128.Create(a.GetUpper(), b.GetUpper()));
        Vector128<float> cd = Vector128.MaxNative(
            Vector128.Create(c.GetLower(), d.GetLower()), Vector128.Create(c.GetUpper(), d.GetUpper()));
        Vector128<float> swappedAb = Vector128.Shuffle(ab, Vector128.Create(1, 0, 3, 2));
        Vector128<float> swappedCd = Vector128.Shuffle(cd, Vector128.Create(1, 0, 3, 2));
        Vector128<float> abab = Vector128.Shuffle(Vector128.MaxNative(ab, swappedAb), Vector128.Create(0, 2, 0, 2));
        Vector128<float> cdcd = Vector128.Shuffle(Vector128.MaxNative(cd, swappedCd), Vector128.Create(0, 2, 0, 2));
        return Vector128.Create(abab.GetLower(), cdcd.GetLower());
    }

    public static float OfLanes(Vector128<float> value) =>
        Math.Max(Math.Max(value[0], value[1]), Math.Max(value[2], value[3]));

    public static float OfRest(float* p, int length)
    {
        float max = float.NegativeInfinity;
        for (int i = 0; i < length; i++)
            if (p[i] > max)
                max = p[i];
        return max;
    }

    /// <summary>The first i ≥ start with p[i] ≥ value; there is one.</summary>
    public static int IndexOf<TVector, TWidth>(float* p, int start, int length, float value)
        where TVector : unmanaged
        where TWidth : struct, IVectorWidth<TVector>
    {
        TVector bound = TWidth.Create(value);
        int i = start;
        for (; i + TWidth.Count <= length; i += TWidth.Count)
            if (TWidth.MaskAtLeast(TWidth.Load(p + i), bound) is uint mask and not 0)
                return i + BitOperations.TrailingZeroCount(mask);
        while (!(p[i] >= value)) i++;
        return i;
    }
}
