using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>The kernels for one vector width. Rests that fill no vector take a padded copy or a scalar loop.
/// Sums are those of 32 lanes whatever the width, added up in one order: a seed draws the same tokens from the same logits
/// at every width.</summary>
sealed unsafe class VectorSamplingKernels<TVector, TWidth> : SamplingKernels
    where TVector : unmanaged
    where TWidth : struct, IVectorWidth<TVector>
{
    const float Log2E = 1.44269504f;

    /// <summary>Lane sums go to double after so many elements: at most 64 roundings each.</summary>
    const int MassBlock = 2048;

    /// <summary>Half of the lanes of a sum; a vector is a part of it.</summary>
    const int HalfLanes = 16;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int Argmax(ReadOnlySpan<float> x)
    {
        // One pass over blocks that keeps only the block of the maximum, then a search in that block.
        const int Block = 4 * MaximaBlock;
        int length = x.Length, bestBlock = 0;
        float best = float.NegativeInfinity;
        fixed (float* p = x)
        {
            TVector lowest = TWidth.Create(float.NegativeInfinity), bestVector = lowest;
            int start = 0;
            for (; start + Block <= length; start += Block)
            {
                TVector max = VectorMaxima.OfBlock<TVector, TWidth>(p + start, Block, lowest);
                if (!TWidth.AnyGreater(max, bestVector)) continue;
                best = VectorMaxima.OfLanes(TWidth.MaxOf4(max));
                bestVector = TWidth.Create(best);
                bestBlock = start;
            }
            float rest = VectorMaxima.OfRest(p + start, length - start);
            if (rest > best) (best, bestBlock) = (rest, start);
            return float.IsNegativeInfinity(best)
                ? 0
                : VectorMaxima.IndexOf<TVector, TWidth>(p, bestBlock, length, best);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override float BlockMaxima(ReadOnlySpan<float> x, Span<float> maxima)
    {
        int length = x.Length, block = 0;
        fixed (float* p = x, m = maxima[..NumBlocks(length, MaximaBlock)])
        {
            TVector lowest = TWidth.Create(float.NegativeInfinity);
            Vector128<float> all = Vector128.Create(float.NegativeInfinity);
            // Four blocks at a time: their last reduction is a 4 x 4 transposition, one store for all.
            for (; (block + 4) * MaximaBlock <= length; block += 4)
            {
                float* q = p + (nint)block * MaximaBlock;
                Vector128<float> maximum = VectorMaxima.OfColumns(
                    TWidth.MaxOf4(VectorMaxima.OfBlock<TVector, TWidth>(q, MaximaBlock, lowest)),
                    TWidth.MaxOf4(VectorMaxima.OfBlock<TVector, TWidth>(q + MaximaBlock, MaximaBlock, lowest)),
                    TWidth.MaxOf4(VectorMaxima.OfBlock<TVector, TWidth>(q + 2 * MaximaBlock, MaximaBlock, lowest)),
                    TWidth.MaxOf4(VectorMaxima.OfBlock<TVector, TWidth>(q + 3 * MaximaBlock, MaximaBlock, lowest)));
                maximum.Store(m + block);
                all = Vector128.MaxNative(all, maximum);
            }
            float max = VectorMaxima.OfLanes(all);
            for (int start = block * MaximaBlock; start < length; start += MaximaBlock)
            {
                m[start / MaximaBlock] = VectorMaxima.OfRest(p + start, Math.Min(MaximaBlock, length - start));
                max = Math.Max(max, m[start / MaximaBlock]);
            }
            return max;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override double SumExp(ReadOnlySpan<float> x, float max, float temperature, Span<float> sums)
    {
        int length = x.Length;
        TVector largest = TWidth.Create(max), scale = TWidth.Create(Log2E / temperature);
        double total = 0;
        fixed (float* p = x)
        {
            int start = 0;
            float* lanes = stackalloc float[HalfLanes];
            for (; start + SumBlock <= length; start += SumBlock)
            {
                for (int part = 0; part < HalfLanes; part += TWidth.Count)
                {
                    TVector s0 = TWidth.Create(0), s1 = s0;
                    for (int i = start + part; i < start + SumBlock; i += 2 * HalfLanes)
                    {
                        s0 = TWidth.Add(s0, Weight(TWidth.Load(p + i), largest, scale));
                        s1 = TWidth.Add(s1, Weight(TWidth.Load(p + i + HalfLanes), largest, scale));
                    }
                    TWidth.Store(TWidth.Add(s0, s1), lanes + part);
                }
                float sum = SumOfLanes(lanes);
                sums[start / SumBlock] = sum;
                total += sum;
            }
            if (start == length) return total;

            float* padded = stackalloc float[TWidth.Count];
            for (int part = 0; part < HalfLanes; part += TWidth.Count)
            {
                TVector rest = TWidth.Create(0);
                for (int i = start + part; i < length; i += HalfLanes)
                    rest = TWidth.Add(rest, Weight(LoadPadded(p + i, length - i, padded), largest, scale));
                TWidth.Store(rest, lanes + part);
            }
            sums[(length - 1) / SumBlock] = SumOfLanes(lanes);
            return total + SumOfLanes(lanes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static float SumOfLanes(float* lanes)
    {
        Vector128<float> even = Vector128.Load(lanes) + Vector128.Load(lanes + 8);
        Vector128<float> odd = Vector128.Load(lanes + 4) + Vector128.Load(lanes + 12);
        Vector128<float> sum = even + odd;
        return sum[0] + sum[2] + (sum[1] + sum[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override void Exp(ReadOnlySpan<float> x, float max, float temperature, Span<float> weights)
    {
        int length = x.Length, i = 0;
        TVector largest = TWidth.Create(max), scale = TWidth.Create(Log2E / temperature);
        fixed (float* p = x, w = weights[..length])
        {
            for (; i + TWidth.Count <= length; i += TWidth.Count)
                TWidth.Store(Weight(TWidth.Load(p + i), largest, scale), w + i);
            if (i == length) return;

            float* padded = stackalloc float[TWidth.Count];
            TWidth.Store(Weight(LoadPadded(p + i, length - i, padded), largest, scale), padded);
            for (int lane = 0; i < length; i++, lane++) w[i] = padded[lane];
        }
    }

    /// <summary>2^((x - max)·scale).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TVector Weight(TVector x, TVector max, TVector scale) =>
        TWidth.Exp2(TWidth.Multiply(TWidth.Subtract(x, max), scale));

    static TVector LoadPadded(float* p, int length, float* padded)
    {
        for (int lane = 0; lane < TWidth.Count; lane++) padded[lane] = lane < length ? p[lane] : float.NegativeInfinity;
        return TWidth.Load(padded);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override void Divide(Span<float> x, float divisor)
    {
        int length = x.Length, i = 0;
        TVector vector = TWidth.Create(divisor);
        fixed (float* p = x)
        {
            for (; i + TWidth.Count <= length; i += TWidth.Count)
                TWidth.Store(TWidth.Divide(TWidth.Load(p + i), vector), p + i);
            for (; i < length; i++) p[i] /= divisor;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int Collect(
        ReadOnlySpan<float> x, ReadOnlySpan<float> maxima, float threshold, Span<float> values, Span<int> ids)
    {
        int length = x.Length, count = 0;
        TVector bound = TWidth.Create(threshold);
        fixed (float* p = x, m = maxima[..NumBlocks(length, MaximaBlock)], v = values[..length])
        fixed (int* id = ids[..length])
        {
            for (int start = 0; start < length; start += MaximaBlock)
            {
                if (!(m[start / MaximaBlock] >= threshold)) continue;
                int end = Math.Min(start + MaximaBlock, length), i = start;
                for (; i + TWidth.Count <= end; i += TWidth.Count)
                    count += TWidth.Collect(p + i, bound, i, v + count, id + count); // count ≤ i: room for a whole vector
                for (; i < end; i++)
                {
                    if (!(p[i] >= threshold)) continue;
                    v[count] = p[i];
                    id[count++] = i;
                }
            }
        }
        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int CountAtLeast(ReadOnlySpan<float> x, float threshold)
    {
        int length = x.Length, count = 0, i = 0;
        TVector bound = TWidth.Create(threshold);
        fixed (float* p = x)
        {
            for (; i + TWidth.Count <= length; i += TWidth.Count)
                count += BitOperations.PopCount(TWidth.MaskAtLeast(TWidth.Load(p + i), bound));
            for (; i < length; i++)
                if (p[i] >= threshold)
                    count++;
        }
        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int CountAtLeast(ReadOnlySpan<float> x, float a, float b, float threshold)
    {
        int length = x.Length, count = 0, i = 0;
        TVector first = TWidth.Create(a), second = TWidth.Create(b), bound = TWidth.Create(threshold);
        fixed (float* p = x)
        {
            for (; i + TWidth.Count <= length; i += TWidth.Count)
            {
                TVector value = TWidth.Subtract(TWidth.Subtract(TWidth.Load(p + i), first), second);
                count += BitOperations.PopCount(TWidth.MaskAtLeast(value, bound));
            }
            for (; i < length; i++)
                if (p[i] - a - b >= threshold)
                    count++;
        }
        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override double MassAtLeast(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float threshold)
    {
        int length = values.Length, i = 0;
        double mass = 0;
        TVector bound = TWidth.Create(threshold);
        fixed (float* v = values, w = weights[..length])
        {
            float* lanes = stackalloc float[HalfLanes];
            while (i + HalfLanes <= length)
            {
                int numRows = (Math.Min(i + MassBlock, length) - i) / HalfLanes, end = i + numRows * HalfLanes;
                for (int part = 0; part < HalfLanes; part += TWidth.Count)
                {
                    TVector s0 = TWidth.Create(0), s1 = s0;
                    int j = i + part;
                    for (; j + HalfLanes < end; j += 2 * HalfLanes)
                    {
                        s0 = TWidth.Add(s0, TWidth.SelectAtLeast(TWidth.Load(v + j), bound, TWidth.Load(w + j)));
                        int k = j + HalfLanes;
                        s1 = TWidth.Add(s1, TWidth.SelectAtLeast(TWidth.Load(v + k), bound, TWidth.Load(w + k)));
                    }
                    if (j < end) s0 = TWidth.Add(s0, TWidth.SelectAtLeast(TWidth.Load(v + j), bound, TWidth.Load(w + j)));
                    TWidth.Store(TWidth.Add(s0, s1), lanes + part);
                }
                mass += SumOfLanes(lanes);
                i = end;
            }
            for (; i < length; i++)
                if (v[i] >= threshold)
                    mass += w[i];
        }
        return mass;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int CollectBetween(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float low, float high,
        Span<float> keptValues, Span<float> keptWeights)
    {
        int length = values.Length, count = 0, i = 0;
        TVector least = TWidth.Create(low), bound = TWidth.Create(high);
        fixed (float* v = values, w = weights[..length], kv = keptValues[..length], kw = keptWeights[..length])
        {
            for (; i + TWidth.Count <= length; i += TWidth.Count) // count ≤ i: room for a whole vector
                count += TWidth.CollectBetween(v + i, w + i, least, bound, kv + count, kw + count);
            for (; i < length; i++)
            {
                if (!(v[i] >= low) || v[i] >= high) continue;
                kv[count] = v[i];
                kw[count++] = w[i];
            }
        }
        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public override int Race(ReadOnlySpan<float> weights, ReadOnlySpan<float> exponential)
    {
        int length = weights.Length, best = 0, i = 0;
        float max = float.NegativeInfinity;
        TVector bound = TWidth.Create(max);
        float* scores = stackalloc float[TWidth.Count];
        fixed (float* w = weights, e = exponential[..length])
        {
            // A new leader is rare (about the logarithm of the number of vectors), so its lane is found by a loop.
            for (; i + TWidth.Count <= length; i += TWidth.Count)
            {
                TVector score = TWidth.Divide(TWidth.Load(w + i), TWidth.Load(e + i));
                if (!TWidth.AnyGreater(score, bound)) continue;
                TWidth.Store(score, scores);
                for (int lane = 0; lane < TWidth.Count; lane++)
                    if (scores[lane] > max)
                        (best, max) = (i + lane, scores[lane]);
                bound = TWidth.Create(max);
            }
            for (; i < length; i++)
                if (w[i] / e[i] > max)
                    (best, max) = (i, w[i] / e[i]);
        }
        return best;
    }
}
