using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Cpu.Simd;

/// <summary>Elementary functions on vectors of floats.</summary>
static class FloatMath
{
    /// <summary>2^x to a few ulp (tested through the activations: 4) for any x, infinities excepted; exactly 1 at 0 and exactly 0 below -150.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp2<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector whole = TVector.Round(x);
        TVector f = x - whole; // in [-1/2, 1/2], exact
        // Polynomial of Cephes exp2f.
        TVector p = TVector.Create(1.535336188319500e-4f);
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(1.339887440266574e-3f));
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(9.618437357674640e-3f));
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(5.550332471162809e-2f));
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(2.402264791363012e-1f));
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(6.931472028550421e-1f));
        p = TVector.FusedMultiplyAdd(p, f, TVector.Create(1f));
        return TVector.ScaleB(p, whole);
    }

    /// <summary>e^x, as exact as <see cref="Exp2{TVector}(TVector)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector>
    {
        // Beyond these the result is 0 or infinity anyway; infinite x would become NaN below.
        x = TVector.Max(TVector.Min(x, TVector.Create(90f)), TVector.Create(-105f));
        TVector whole = TVector.Round(x * TVector.Create(1.44269504f));
        TVector r = TVector.FusedMultiplyAdd(whole, TVector.Create(-0.693359375f), x); // ln 2 in two parts, the first exact
        r = TVector.FusedMultiplyAdd(whole, TVector.Create(2.12194440e-4f), r);
        // Polynomial of Cephes expf: 1 + r + r² p(r).
        TVector p = TVector.Create(1.9875691500e-4f);
        p = TVector.FusedMultiplyAdd(p, r, TVector.Create(1.3981999507e-3f));
        p = TVector.FusedMultiplyAdd(p, r, TVector.Create(8.3334519073e-3f));
        p = TVector.FusedMultiplyAdd(p, r, TVector.Create(4.1665795894e-2f));
        p = TVector.FusedMultiplyAdd(p, r, TVector.Create(1.6666665459e-1f));
        p = TVector.FusedMultiplyAdd(p, r, TVector.Create(5.0000001201e-1f));
        p = TVector.FusedMultiplyAdd(p, r * r, r) + TVector.Create(1f);
        return TVector.ScaleB(p, whole);
    }

    /// <summary>1 + erf(x), which does not cancel for negative x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector OnePlusErf<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector one = TVector.Create(1f);
        // Polynomials of N. Juffa's erff: erf = x + x p(x²) near 0, 1 - e^q(|x|) beyond.
        TVector square = x * x;
        TVector p = TVector.Create(-5.96761703e-4f);
        p = TVector.FusedMultiplyAdd(p, square, TVector.Create(4.99119423e-3f));
        p = TVector.FusedMultiplyAdd(p, square, TVector.Create(-2.67681349e-2f));
        p = TVector.FusedMultiplyAdd(p, square, TVector.Create(1.12819925e-1f));
        p = TVector.FusedMultiplyAdd(p, square, TVector.Create(-3.76125336e-1f));
        p = TVector.FusedMultiplyAdd(p, square, TVector.Create(1.28379166e-1f));
        TVector near = one + TVector.FusedMultiplyAdd(p, x, x);

        TVector t = TVector.Min(TVector.Abs(x), TVector.Create(11f)); // e^q is 0 from there on
        TVector q = TVector.FusedMultiplyAdd(TVector.Create(-1.72853470e-5f), t, TVector.Create(3.83197126e-4f));
        TVector u = TVector.FusedMultiplyAdd(TVector.Create(-3.88396438e-3f), t, TVector.Create(2.42546219e-2f));
        q = TVector.FusedMultiplyAdd(q, t * t, u);
        q = TVector.FusedMultiplyAdd(q, t, TVector.Create(-1.06777877e-1f));
        q = TVector.FusedMultiplyAdd(q, t, TVector.Create(-6.34846687e-1f));
        q = TVector.FusedMultiplyAdd(q, t, TVector.Create(-1.28717512e-1f));
        TVector e = Exp(TVector.FusedMultiplyAdd(q, t, TVector.Zero - t));
        TVector far = TVector.SelectLess(x, TVector.Zero, e, TVector.Create(2f) - e);
        return TVector.SelectLess(t, TVector.Create(0.927734375f), near, far);
    }
}
