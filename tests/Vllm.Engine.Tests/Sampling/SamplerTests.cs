using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;

namespace Vllm.Tests.Sampling;

public class SamplerTests
{
    const int VocabSize = 3000;

    static readonly SamplingParams[] Mixed =
    [
        new() { Temperature = 0 },
        new() { Seed = 1 },
        new() { Seed = 2, Temperature = 0.7f, TopK = 40, TopP = 0.95f },
        new() { Seed = 3, TopP = 0.9f },
        new() { Seed = 4, MinP = 0.05f, Temperature = 1.5f },
        new() { Seed = 5, TopK = 100, RepetitionPenalty = 1.3f, FrequencyPenalty = 0.5f, PresencePenalty = -0.5f },
        new() { Seed = 6, Temperature = 2, TopP = 0.99f },
        new() { Seed = 7, AllowedTokenIds = [1, 2, 3, 5, 8], LogitBias = new Dictionary<int, float> { [2] = 3 } },
    ];

    static float[] RandomLogits(int seed, int numRows)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, numRows * VocabSize).Select(_ => (float)(random.NextDouble() * 12 - 6))];
    }

    static SamplerRow NewRow(Sampler sampler, SamplingParams p, int id = 0)
    {
        var request = new Request($"{id}", [5, 6, 7, 5], p, maxTokens: 1000);
        return sampler.CreateRow(request, badWords: [], endTokenIds: []);
    }

    static int[] Sample(Sampler sampler, SamplerRow[] rows, float[] logits)
    {
        float[] copy = [.. logits];
        var output = new SamplerOutput(rows.Length);
        sampler.Sample(row => copy.AsSpan(row * VocabSize, VocabSize), rows, output);
        return output.TokenIds[..rows.Length];
    }

    /// <summary>A seed's tokens are a promise: they depend on logits and parameters, not on version, width or
    /// machine.</summary>
    [Fact]
    public void Seed_DrawsTheTokensItAlwaysDrew()
    {
        float[] logits = RandomLogits(1, Mixed.Length);
        var sampler = new Sampler(VocabSize, Mixed.Length, seed: 0);
        SamplerRow[] rows = [.. Mixed.Select((p, i) => NewRow(sampler, p, i))];

        int[][] tokens = Generate(sampler, rows, logits, steps: 4);

        int[][] expected =
        [
            [662, 662, 662, 662], [374, 199, 2769, 2929], [1285, 2651, 629, 1183], [620, 1668, 1146, 1133],
            [2793, 372, 1839, 2456], [149, 2053, 2302, 798], [1185, 909, 2994, 453], [8, 5, 5, 2],
        ];
        Assert.Equal(expected, tokens);
    }

    [Fact]
    public void Row_GivesTheSameTokensWhateverTheBatch()
    {
        float[] logits = RandomLogits(1, Mixed.Length);
        int[][] alone = new int[Mixed.Length][];
        for (int i = 0; i < Mixed.Length; i++)
        {
            var sampler = new Sampler(VocabSize, maxNumSeqs: 1);
            SamplerRow row = NewRow(sampler, Mixed[i]);
            alone[i] = Generate(sampler, [row], logits[(i * VocabSize)..][..VocabSize], steps: 20)[0];
        }

        foreach (int[] order in new int[][] { [0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [3, 1, 6], [5, 2] })
        {
            var sampler = new Sampler(VocabSize, order.Length);
            SamplerRow[] rows = [.. order.Select(i => NewRow(sampler, Mixed[i]))];
            float[] batch = [.. order.SelectMany(i => logits[(i * VocabSize)..][..VocabSize])];

            int[][] tokens = Generate(sampler, rows, batch, steps: 20);

            for (int i = 0; i < order.Length; i++) Assert.Equal(alone[order[i]], tokens[i]);
        }
    }

    [Fact]
    public void RowThatFails_LeavesTheOthersTheirTokens()
    {
        float[] logits = RandomLogits(2, 3);
        var sampler = new Sampler(VocabSize, maxNumSeqs: 3);
        SamplerRow[] rows = [.. Mixed[1..4].Select(p => NewRow(sampler, p))];
        int[] expected = Sample(sampler, rows, logits);
        var output = new SamplerOutput(3);

        sampler.Sample(
            row => row == 1 ? throw new InvalidOperationException("row 1") : logits.AsSpan(row * VocabSize, VocabSize), rows, output);

        Assert.Equal([null, "row 1", null], output.Errors.Select(error => error?.Message));
        Assert.Equal((expected[0], expected[2]), (output.TokenIds[0], output.TokenIds[2]));
    }

    /// <summary>Several steps with the same logits; only penalties and positions differ.</summary>
    static int[][] Generate(Sampler sampler, SamplerRow[] rows, float[] logits, int steps)
    {
        for (int step = 0; step < steps; step++)
        {
            int[] tokens = Sample(sampler, rows, logits);
            for (int i = 0; i < rows.Length; i++) rows[i].Request.AppendOutputTokenId(tokens[i]);
        }
        return [.. rows.Select(row => row.Request.OutputTokenIds.ToArray())];
    }

    [Fact]
    public void Workers_GiveTheSameTokensAsOneThread()
    {
        float[] logits = RandomLogits(2, Mixed.Length);
        var one = new Sampler(VocabSize, Mixed.Length);
        using var ids = new ThreadLocal<int>();
        int numWorkers = 0;
        var parallel = new Sampler(VocabSize, Mixed.Length, numWorkers: 64, parallelRows: (numRows, body) =>
            Parallel.For(0, numRows, row =>
            {
                if (ids.Value == 0) ids.Value = Interlocked.Increment(ref numWorkers);
                body(row, ids.Value - 1);
            }));

        int[] expected = Sample(one, [.. Mixed.Select(p => NewRow(one, p))], logits);
        int[] actual = Sample(parallel, [.. Mixed.Select(p => NewRow(parallel, p))], logits);

        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Unseeded_DifferAmongRequestsAndRepeatWithTheEnginesSeed()
    {
        float[] logits = [.. Enumerable.Repeat(0f, VocabSize)];
        int[] First(ulong seed)
        {
            var sampler = new Sampler(VocabSize, maxNumSeqs: 1, seed);
            return [.. Enumerable.Range(0, 8).Select(i => Sample(sampler, [NewRow(sampler, new(), i)], logits)[0])];
        }

        Assert.Equal(First(1), First(1));
        Assert.NotEqual(First(1), First(2));
        Assert.True(First(1).Distinct().Count() > 4);
    }

    [Fact]
    public void Logits_ThatAreNoDistribution_GiveATokenOfTheVocabulary()
    {
        var sampler = new Sampler(VocabSize, maxNumSeqs: 1);
        foreach (SamplingParams p in Mixed)
        {
            foreach (float filler in new[] { float.NaN, float.NegativeInfinity, float.PositiveInfinity, 3e38f })
            {
                float[] logits = [.. Enumerable.Repeat(filler, VocabSize)];
                Assert.InRange(Sample(sampler, [NewRow(sampler, p)], logits)[0], 0, VocabSize - 1);
            }
            // One token left among NaNs and minus infinities (an allowed one, for the row that has a list).
            float[] single = [.. Enumerable.Repeat(float.NegativeInfinity, VocabSize)];
            for (int id = 0; id < VocabSize; id += 2) single[id] = float.NaN;
            single[5] = 1;
            Assert.Equal(5, Sample(sampler, [NewRow(sampler, p)], single)[0]);
        }
    }

    [Fact]
    public void Logprobs_DoNotChangeTheToken()
    {
        float[] logits = RandomLogits(3, 1);
        foreach (SamplingParams p in Mixed)
        {
            var plain = new Sampler(VocabSize, maxNumSeqs: 1);
            int expected = Sample(plain, [NewRow(plain, p)], logits)[0];
            foreach (LogprobsMode mode in Enum.GetValues<LogprobsMode>())
            {
                var sampler = new Sampler(VocabSize, maxNumSeqs: 1) { LogprobsMode = mode };
                SamplerRow row = NewRow(sampler, p with { Logprobs = 3 });
                var output = new SamplerOutput(1);
                float[] copy = [.. logits];

                sampler.Sample(_ => copy, [row], output);

                Assert.Equal(expected, output.TokenIds[0]);
                Assert.Equal(expected, output.Logprobs[0]!.TokenIds[0]);
                Assert.Equal(4, output.Logprobs[0]!.TokenIds.Length);
                if (mode == LogprobsMode.RawLogits) Assert.Equal(logits[expected], output.Logprobs[0]!.Values[0]);
            }
        }
    }

    [Fact]
    public void SteadyStep_AllocatesNothing()
    {
        SamplingParams[] plain = [.. Mixed.Take(5), new() { Temperature = 0 }, new() { TopK = 3 }];
        var sampler = new Sampler(VocabSize, plain.Length);
        SamplerRow[] rows = [.. plain.Select(p => NewRow(sampler, p))];
        float[] logits = RandomLogits(4, plain.Length);
        var output = new SamplerOutput(plain.Length);
        RowAccessor accessor = row => logits.AsSpan(row * VocabSize, VocabSize);
        for (int step = 0; step < 10; step++) sampler.Sample(accessor, rows, output);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 100; step++) sampler.Sample(accessor, rows, output);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
