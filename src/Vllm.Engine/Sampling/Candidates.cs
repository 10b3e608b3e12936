using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Engine.Sampling;

/// <summary>
/// The tokens of one row that a draw may return: temperature, then min-p, then top-k, then top-p.
/// Every limit is a cut in the logits (softmax and division by the temperature keep their order), so the row is neither
/// changed nor sorted: it is read once or twice, and all else happens on the few tokens above the cut.
/// </summary>
sealed class Candidates(SamplerScratch scratch, SamplingKernels kernels)
{
    /// <summary>First distance from the maximum, in units of the temperature, in the search for the tokens of top-p,
    /// and its growth: doubling instead costs ten times as much at 0.99 (measured).</summary>
    const double FirstDepth = 4, DepthGrowth = 1.25;

    /// <summary>exp(-104) is 0 in fp32: below, nothing has weight.</summary>
    const double LastDepth = 104;

    /// <summary>Above, two races of some 512 are cheaper than one.</summary>
    const int MaxSingleRace = 1024;

    /// <summary>Noise streams of one output position.</summary>
    const uint TokenStream = 0, BlockStream = 1;

    float _max, _temperature;
    int _count;
    bool _isAll, _hasWeights;

    /// <summary>Chooses the candidates of a row; the other methods then speak of that row.</summary>
    public void Select(ReadOnlySpan<float> logits, float temperature, float minP, int topK, float topP)
    {
        _temperature = temperature;
        _max = kernels.BlockMaxima(logits, scratch.BlockMaxima);
        _hasWeights = false;
        bool hasTopK = topK > 0 && topK < logits.Length;
        _isAll = !HasDistribution || (minP == 0 && !hasTopK && topP >= 1);
        if (_isAll) return;

        if (minP > 0 || hasTopK)
        {
            SelectMostLikely(logits, minP, hasTopK ? topK : logits.Length);
            if (topP < 1) KeepMass(topP * MassOfCandidates());
        }
        else
        {
            double target = topP * kernels.SumExp(logits, _max, _temperature, scratch.BlockSums);
            SelectMass(logits, target);
            KeepMass(target);
        }
    }

    /// <summary>False when there is no finite largest quotient: then the largest logit is taken.</summary>
    bool HasDistribution => float.IsFinite(_max / _temperature);

    void SelectMostLikely(ReadOnlySpan<float> logits, float minP, int topK)
    {
        float cut = float.MinValue;
        if (minP > 0) cut = LowestLogit(_max / _temperature + Math.Log(minP), _max);
        if (topK < logits.Length)
        {
            // The k-th largest of the block maxima is a lower bound of the k-th largest logit.
            float bound = topK <= scratch.BlockMaxima.Length
                ? kernels.KthLargest(scratch.BlockMaxima, topK)
                : kernels.LowerBoundOfKthLargest(logits, topK);
            cut = Math.Max(cut, LowestLogit(bound / _temperature, bound));
        }
        _count = kernels.Collect(logits, scratch.BlockMaxima, cut, scratch.Values, scratch.Ids);
        if (_count <= topK) return;

        float kth = kernels.KthLargest(scratch.Values.AsSpan(0, _count), topK);
        Keep(LowestLogit(kth / _temperature, kth), numEqual: int.MaxValue);
    }

    float LowestLogit(double quotient, float high) =>
        float.IsNegativeInfinity(high) ? float.MinValue : Thresholds.LowestDividend(quotient, _temperature, high);

    /// <summary>Collects down to a depth at which the candidates weigh enough.</summary>
    void SelectMass(ReadOnlySpan<float> logits, double target)
    {
        double mass = 0;
        for (double depth = FirstDepth; mass < target; depth *= DepthGrowth)
        {
            // Once much of the vocabulary is in, another step costs more than all of it.
            bool isLast = depth > LastDepth || _count > logits.Length / 8;
            float cut = isLast ? float.MinValue : Math.Max((float)(_max - depth * _temperature), float.MinValue);
            _count = kernels.Collect(logits, scratch.BlockMaxima, cut, scratch.Values, scratch.Ids);
            _hasWeights = false;
            mass = MassOfCandidates();
            if (isLast) return;
        }
    }

    double MassOfCandidates()
    {
        Weigh();
        return kernels.MassAtLeast(scratch.Values.AsSpan(0, _count), scratch.Weights, float.NegativeInfinity);
    }

    void Weigh()
    {
        if (_hasWeights) return;
        kernels.Exp(scratch.Values.AsSpan(0, _count), _max, _temperature, scratch.Weights);
        _hasWeights = true;
    }

    /// <summary>Keeps the fewest most likely candidates that weigh at least <paramref name="target"/>; of equal ones at
    /// the cut those with the lowest ids.</summary>
    void KeepMass(double target)
    {
        Span<float> values = scratch.Values.AsSpan(0, _count);
        float cut = kernels.MassCut(values, scratch.Weights, target, scratch.CutScratch);
        if (float.IsNegativeInfinity(cut)) return;

        double above = kernels.MassAtLeast(values, scratch.Weights, MathF.BitIncrement(cut));
        double weight = scratch.Weights[values.IndexOf(cut)];
        Keep(cut, numEqual: Math.Max(1, (int)Math.Ceiling((target - above) / weight)));
    }

    /// <summary>Keeps the candidates above the cut and the first <paramref name="numEqual"/> at it.</summary>
    void Keep(float cut, int numEqual)
    {
        Span<float> values = scratch.Values.AsSpan(0, _count), weights = scratch.Weights.AsSpan(0, _count);
        Span<int> ids = scratch.Ids.AsSpan(0, _count);
        int numAtCut = kernels.CountAtLeast(values, cut) - kernels.CountAtLeast(values, MathF.BitIncrement(cut));
        if (numAtCut <= numEqual)
        {
            // Weights are only moved, so that ids can go in their place.
            Span<float> idBits = MemoryMarshal.Cast<int, float>(ids);
            kernels.CollectBetween(values, idBits, cut, float.NaN, scratch.CutScratch, idBits);
            _count = kernels.CollectBetween(values, weights, cut, float.NaN, values, weights);
            return;
        }
        int kept = 0;
        for (int i = 0; i < values.Length; i++)
        {
            float value = values[i];
            values[kept] = value;
            weights[kept] = weights[i];
            ids[kept] = ids[i];
            // Not a branch, which would be mispredicted often; equality is rare.
            kept += value > cut ? 1 : 0;
            if (value == cut && numEqual-- > 0) kept++;
        }
        _count = kept;
    }

    /// <summary>Draws a candidate by an exponential race, argmax p/e with e ~ Exp(1). The noise depends on the seed and
    /// the output position, and on the id of the token or the number of the block it is for.</summary>
    public int Draw(ReadOnlySpan<float> logits, ulong seed, int position)
    {
        if (!HasDistribution) return kernels.Argmax(logits);
        if (_isAll) return DrawFromAll(logits, seed, (uint)position);
        Weigh();
        return DrawFromList(seed, (uint)position);
    }

    // With many candidates there are two races instead of one with noise for each token: the minimum of exponentials
    // with rates p is one with rate Σp, and which of them is the minimum does not depend on its value. So blocks race
    // first, then the tokens of the winner.
    int DrawFromAll(ReadOnlySpan<float> logits, ulong seed, uint position)
    {
        kernels.SumExp(logits, _max, _temperature, scratch.BlockSums);
        int start = RaceOfBlocks(scratch.BlockSums, seed, position);
        int length = Math.Min(SamplingKernels.SumBlock, logits.Length - start);
        kernels.Exp(logits.Slice(start, length), _max, _temperature, scratch.Weights);
        Span<int> ids = scratch.Ids.AsSpan(0, length);
        for (int i = 0; i < length; i++) ids[i] = start + i;
        return ids[Race(scratch.Weights, ids, seed, position, TokenStream)];
    }

    int DrawFromList(ulong seed, uint position)
    {
        ReadOnlySpan<float> values = scratch.Values.AsSpan(0, _count), weights = scratch.Weights.AsSpan(0, _count);
        ReadOnlySpan<int> ids = scratch.Ids.AsSpan(0, _count);
        if (_count <= MaxSingleRace) return ids[Race(weights, ids, seed, position, TokenStream)];

        Span<float> sums = scratch.BlockSums.AsSpan(0, SamplingKernels.NumBlocks(_count, SamplingKernels.SumBlock));
        for (int block = 0; block < sums.Length; block++)
        {
            Range range = BlockAt(block * SamplingKernels.SumBlock);
            sums[block] = (float)kernels.MassAtLeast(values[range], weights[range], float.NegativeInfinity);
        }
        Range winner = BlockAt(RaceOfBlocks(sums, seed, position));
        return ids[winner][Race(weights[winner], ids[winner], seed, position, TokenStream)];
    }

    Range BlockAt(int start) => start..Math.Min(start + SamplingKernels.SumBlock, _count);

    /// <summary>The start of the block that wins.</summary>
    int RaceOfBlocks(ReadOnlySpan<float> sums, ulong seed, uint position) => SamplingKernels.SumBlock
        * Race(sums, scratch.BlockNumbers.AsSpan(0, sums.Length), seed, position, BlockStream);

    int Race(ReadOnlySpan<float> weights, ReadOnlySpan<int> ids, ulong seed, uint position, uint stream)
    {
        Philox.Exponential(seed, position, stream, ids, scratch.Noise);
        return kernels.Race(weights[..ids.Length], scratch.Noise);
    }

    /// <summary>Turns the row into the processed logits: divided by the temperature, minus infinity except for the
    /// candidates.</summary>
    public void Apply(Span<float> logits)
    {
        if (_isAll)
        {
            if (_temperature != 1) kernels.Divide(logits, _temperature);
            return;
        }
        logits.Fill(float.NegativeInfinity);
        for (int i = 0; i < _count; i++) logits[scratch.Ids[i]] = scratch.Values[i] / _temperature;
    }
}
