using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Simd;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>The tile step in portable C#, fp32 throughout, for any vector width and either element type.</summary>
sealed unsafe class VectorTileKernel<TVector, TElement>(TileShape shape) : TileKernel
    where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
{
    static readonly float[] Indices = [.. Enumerable.Range(0, TileTokens)];

    readonly int _dims = shape.Dims;
    readonly int _columns = shape.Columns;
    readonly TileSteps _steps = shape.Steps;

    public override int QueryRowBytes => _dims * sizeof(float);

    public override void PackQuery(float* query, int headDim, float scale, byte* packed)
    {
        var row = (float*)packed;
        for (int d = 0; d < headDim; d++) row[d] = query[d] * scale;
        NativeMemory.Clear(row + headDim, (nuint)(_dims - headDim) * sizeof(float));
    }

    public override void Run(TileArguments* a, int numRows, bool isMasked, PrefetchLines prefetch)
    {
        float* p = stackalloc float[TileTokens]; // scores, then weights of a row
        for (int row = 0; row < numRows; row++)
        {
            int first = isMasked ? a->FirstVisible[row] : 0, end = isMasked ? a->EndVisible[row] : TileTokens;
            if (first >= end) continue;
            float* output = a->Output + (nint)row * _dims;
            float* maximum = a->Softmax->Maxima + SoftmaxState.MaximumIndex(row);
            float* sums = a->Softmax->Sums + row * 16;

            Scores((float*)(a->Queries + (nint)row * QueryRowBytes), a->Keys, p);
            if (_steps.HasFlag(TileSteps.Scales)) Multiply(p, (float*)a->Scales[0]);
            if (_steps.HasFlag(TileSteps.SoftCap)) Cap(p, a->SoftCap, a->SoftCapFactor);
            if (_steps.HasFlag(TileSteps.Alibi)) AddSlope(p, a->AlibiSlopes[row], a->AlibiOffsets[row]);
            for (int t = 0; t < first; t++) p[t] = Masked;
            for (int t = end; t < TileTokens; t++) p[t] = Masked;
            float newMaximum = MathF.Max(*maximum, Max(p));
            if (newMaximum > *maximum)
            {
                float factor = FloatMath.Exp2(new Float1(*maximum - newMaximum)).Value;
                Scale(sums, 16, factor);
                Scale(output, _dims, factor);
                *maximum = newMaximum;
            }
            Exponentiate(p, newMaximum, sums);
            if (_steps.HasFlag(TileSteps.Scales)) Multiply(p, (float*)a->Scales[1]);
            Accumulate(p, first / 2, (end + 1) / 2, a->Values, output);
        }
    }

    /// <summary>scores[t] = q · K[t], each a chain over the dims in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void Scores(float* q, long* keys, float* scores)
    {
        int w = TVector.Width, numPairs = _dims / 2, cols = _columns;
        nint step = TElement.PairRowBytes(_columns);
        for (int t = 0; t < TileTokens; t += 4 * w)
        {
            byte* k0 = Column(keys, t), k1 = Column(keys, t + w), k2 = Column(keys, t + 2 * w), k3 = Column(keys, t + 3 * w);
            TVector s0 = TVector.Zero, s1 = TVector.Zero, s2 = TVector.Zero, s3 = TVector.Zero;
            for (int pair = 0; pair < numPairs; pair++)
            {
                TVector q0 = TVector.Create(q[2 * pair]), q1 = TVector.Create(q[2 * pair + 1]);
                s0 = MultiplyAddPair(k0, cols, q0, q1, s0);
                s1 = MultiplyAddPair(k1, cols, q0, q1, s1);
                s2 = MultiplyAddPair(k2, cols, q0, q1, s2);
                s3 = MultiplyAddPair(k3, cols, q0, q1, s3);
                k0 += step;
                k1 += step;
                k2 += step;
                k3 += step;
            }
            s0.Store(scores + t);
            s1.Store(scores + t + w);
            s2.Store(scores + t + 2 * w);
            s3.Store(scores + t + 3 * w);
        }
    }

    static byte* Column(long* keys, int token) => (byte*)keys[token / SubTokens] + token % SubTokens * 4;

    /// <summary>sum + low * x + high * y over a vector of columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TVector MultiplyAddPair(byte* column, int numColumns, TVector x, TVector y, TVector sum)
    {
        TElement.LoadPairs(column, numColumns, out TVector low, out TVector high);
        return TVector.FusedMultiplyAdd(y, high, TVector.FusedMultiplyAdd(x, low, sum));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Multiply(float* scores, float* factors)
    {
        for (int t = 0; t < TileTokens; t += TVector.Width)
            (TVector.Load(scores + t) * TVector.Load(factors + t)).Store(scores + t);
    }

    /// <summary>s = cap tanh(s / cap), where 2^-(factor |s|) is e^-(2 |s| / cap).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Cap(float* scores, float cap, float factor)
    {
        TVector one = TVector.Create(1), lowest = TVector.Create(-200); // 2^-200 is 0
        for (int t = 0; t < TileTokens; t += TVector.Width)
        {
            TVector s = TVector.Load(scores + t);
            TVector e = FloatMath.Exp2(TVector.Max(TVector.Abs(s) * TVector.Create(-factor), lowest));
            TVector capped = (one - e) / (one + e) * TVector.Create(cap);
            TVector.SelectLess(s, TVector.Zero, TVector.Zero - capped, capped).Store(scores + t);
        }
    }

    /// <summary>s += slope * (token's position - row's position).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void AddSlope(float* scores, float slope, float offset)
    {
        fixed (float* indices = Indices)
            for (int t = 0; t < TileTokens; t += TVector.Width)
            {
                TVector distance = TVector.Load(indices + t) + TVector.Create(offset); // exact
                TVector.FusedMultiplyAdd(TVector.Create(slope), distance, TVector.Load(scores + t)).Store(scores + t);
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static float Max(float* scores)
    {
        TVector max = TVector.Load(scores);
        for (int t = TVector.Width; t < TileTokens; t += TVector.Width) max = TVector.Max(max, TVector.Load(scores + t));
        return TVector.MaxAcross(max);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Scale(float* x, int num, float factor)
    {
        for (int i = 0; i < num; i += TVector.Width) (TVector.Load(x + i) * TVector.Create(factor)).Store(x + i);
    }

    /// <summary>p = 2^(p - maximum), added to the sums by lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Exponentiate(float* p, float maximum, float* sums)
    {
        TVector sum = TVector.Load(sums);
        for (int t = 0; t < TileTokens; t += TVector.Width)
        {
            TVector value = FloatMath.Exp2(TVector.Load(p + t) - TVector.Create(maximum));
            value.Store(p + t);
            sum += value;
        }
        sum.Store(sums);
    }

    /// <summary>output += p · V over token pairs [first, end), each element a chain over the tokens in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    void Accumulate(float* p, int first, int end, long* values, float* output)
    {
        int w = TVector.Width, cols = _dims, d = 0;
        nint step = TElement.PairRowBytes(_dims);
        for (; d <= cols - 4 * w; d += 4 * w)
        {
            float* o = output + d;
            TVector o0 = TVector.Load(o), o1 = TVector.Load(o + w), o2 = TVector.Load(o + 2 * w), o3 = TVector.Load(o + 3 * w);
            for (int pair = first; pair < end; pair++)
            {
                byte* v = (byte*)values[pair / 8] + pair % 8 * step + d * 4;
                TVector p0 = TVector.Create(p[2 * pair]), p1 = TVector.Create(p[2 * pair + 1]);
                o0 = MultiplyAddPair(v, cols, p0, p1, o0);
                o1 = MultiplyAddPair(v + w * 4, cols, p0, p1, o1);
                o2 = MultiplyAddPair(v + w * 8, cols, p0, p1, o2);
                o3 = MultiplyAddPair(v + w * 12, cols, p0, p1, o3);
            }
            o0.Store(o);
            o1.Store(o + w);
            o2.Store(o + 2 * w);
            o3.Store(o + 3 * w);
        }
        for (; d < cols; d += w)
        {
            TVector o0 = TVector.Load(output + d);
            for (int pair = first; pair < end; pair++)
            {
                byte* v = (byte*)values[pair / 8] + pair % 8 * step + d * 4;
                o0 = MultiplyAddPair(v, cols, TVector.Create(p[2 * pair]), TVector.Create(p[2 * pair + 1]), o0);
            }
            o0.Store(output + d);
        }
    }
}
