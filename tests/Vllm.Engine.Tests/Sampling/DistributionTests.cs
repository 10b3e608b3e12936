using Vllm.Engine.Sampling;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Draws have the probabilities of the softmax over the candidates (chi-square, fixed seeds).</summary>
public class DistributionTests
{
    const int NumDraws = 40_000;

    public static TheoryData<int, float, float, int, float> Limits() => new()
    {
        // vocabSize, temperature, minP, topK, topP
        { 20, 1, 0, 0, 1 },
        { 20, 0.7f, 0, 0, 1 },
        { 20, 1.3f, 0, 7, 1 },
        { 20, 1, 0, 0, 0.8f },
        { 20, 2, 0.2f, 12, 0.9f },
        // Races of blocks: over the vocabulary, and over a long list of candidates.
        { 2600, 1, 0, 0, 1 },
        { 2600, 1, 0, 2000, 1 },
    };

    [Theory]
    [MemberData(nameof(Limits))]
    public void Draw_HasTheProbabilitiesOfTheCandidates(
        int vocabSize, float temperature, float minP, int topK, float topP)
    {
        var random = new Random(vocabSize);
        float[] logits = [.. Enumerable.Range(0, vocabSize).Select(_ => (float)(random.NextDouble() * 4))];
        var candidates = new Candidates(new SamplerScratch(vocabSize), SamplingKernels.Default);
        var counts = new int[vocabSize];
        for (int i = 0; i < NumDraws; i++)
        {
            // Both ways to get another draw: another seed, another position.
            candidates.Select(logits, temperature, minP, topK, topP);
            counts[candidates.Draw(logits, seed: (ulong)(i / 200), position: i % 200)]++;
        }

        candidates.Apply(logits);
        double[] weights = [.. logits.Select(v => Math.Exp(v))];
        double sum = weights.Sum(), chiSquare = 0, pooled = 0;
        int pooledCount = 0, degrees = -1;
        for (int id = 0; id < vocabSize; id++)
        {
            double expected = NumDraws * weights[id] / sum;
            if (expected == 0) Assert.Equal(0, counts[id]);
            // Neighbours are pooled until enough draws are expected for the approximation.
            pooled += expected;
            pooledCount += counts[id];
            if (pooled < 20) continue;
            chiSquare += (pooledCount - pooled) * (pooledCount - pooled) / pooled;
            degrees++;
            (pooled, pooledCount) = (0, 0);
        }
        // The statistic has mean d and variance 2d: five standard deviations.
        Assert.InRange(chiSquare, 0, degrees + 5 * Math.Sqrt(2 * degrees));
    }

    [Fact]
    public void Draw_OfNeighbouringPositionsAndSeedsIsIndependent()
    {
        float[] logits = new float[16];
        var candidates = new Candidates(new SamplerScratch(16), SamplingKernels.Default);
        candidates.Select(logits, 1, 0, 0, 1);
        int sameAsNextPosition = 0, sameAsNextSeed = 0;
        for (int i = 0; i < NumDraws; i++)
        {
            int token = candidates.Draw(logits, seed: 5, position: i);
            if (token == candidates.Draw(logits, seed: 5, position: i + 1)) sameAsNextPosition++;
            if (token == candidates.Draw(logits, seed: 6, position: i)) sameAsNextSeed++;
        }

        // One in sixteen, five standard deviations.
        double expected = NumDraws / 16.0, slack = 5 * Math.Sqrt(NumDraws / 16.0);
        Assert.InRange(sameAsNextPosition, expected - slack, expected + slack);
        Assert.InRange(sameAsNextSeed, expected - slack, expected + slack);
    }
}
