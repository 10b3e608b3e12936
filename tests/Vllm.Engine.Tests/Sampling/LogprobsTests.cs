using System.Text.Json;
using Vllm.Engine.Sampling;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Reported logprobs, ranks and top tokens in all modes, against those recorded from vLLM.</summary>
public class LogprobsTests
{
    static readonly (string Name, LogprobsMode Mode)[] Modes =
    [
        ("raw_logprobs", LogprobsMode.RawLogprobs), ("processed_logprobs", LogprobsMode.ProcessedLogprobs),
        ("raw_logits", LogprobsMode.RawLogits), ("processed_logits", LogprobsMode.ProcessedLogits),
    ];

    public static TheoryData<string> Cases(string kind) =>
        SamplingCase.Names("logprobs", c => c.GetProperty("kind").GetString() == kind);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases), "sample")]
    public void Sample_ReportsRecordedValues(string name)
    {
        SamplingCase recorded = SamplingCase.Load("logprobs", name);
        foreach ((string modeName, LogprobsMode mode) in Modes)
            foreach (SamplingKernelsVariant variant in SamplingKernels.Variants.Where(v => v.IsSupported))
            {
                SamplerRow[] rows = recorded.Rows();
                for (int row = 0; row < rows.Length; row++)
                    CheckSample(recorded, rows[row], row, modeName, mode, variant.Kernels);
            }
    }

    static void CheckSample(
        SamplingCase recorded, SamplerRow row, int index, string modeName, LogprobsMode mode, SamplingKernels kernels)
    {
        float[] logits = Logits(recorded, index);
        if (mode is LogprobsMode.ProcessedLogits or LogprobsMode.ProcessedLogprobs)
            logits = SamplingCase.Process(row, logits, kernels);
        bool isLogits = mode is LogprobsMode.RawLogits or LogprobsMode.ProcessedLogits;
        int numLogprobs = recorded.Json.GetProperty("num_logprobs").GetInt32();
        int token = recorded.Json.GetProperty("tokens")[index].GetInt32();
        var gatherer = new LogprobsGatherer(new SamplerScratch(logits.Length), kernels);

        SampledLogprobs actual = gatherer.GatherTop(logits, token, numLogprobs, isLogits);

        CompareRow(recorded, modeName + ".", index, actual, AllValues(gatherer, logits, isLogits));

        JsonElement expected = recorded.Json.GetProperty("per_request").GetProperty(modeName)[index];
        JsonElement rowParams = recorded.Json.GetProperty("rows")[index].GetProperty("params");
        if (rowParams.TryGetProperty("logprobs", out JsonElement own))
        {
            if (own.ValueKind != JsonValueKind.Number) return;
            actual = gatherer.GatherTop(logits, token, own.GetInt32(), isLogits);
        }
        CompareEntries(expected.GetProperty("entries"), actual);
        Assert.True(SamplingCase.AreClose(actual.Values[0], Number(expected.GetProperty("cumulative_logprob"))));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases), "token-ids")]
    public void TokenIds_ReportRecordedValues(string name)
    {
        SamplingCase recorded = SamplingCase.Load("logprobs", name);
        int[] ids = recorded.Tensors.Ints("token_ids"), ranks = recorded.Tensors.Ints("ranks");
        float[] values = recorded.Tensors.Floats("values");
        int width = recorded.Tensors.Shape("token_ids")[1], row = 0;
        foreach (JsonElement asked in recorded.Json.GetProperty("logprob_token_ids").EnumerateArray())
        {
            float[] logits = Logits(recorded, row);
            int token = recorded.Json.GetProperty("tokens")[row].GetInt32();
            int[] others = asked.ValueKind == JsonValueKind.Array ? SamplingCase.ReadInts(asked) : [];

            SampledLogprobs actual = new LogprobsGatherer(new SamplerScratch(logits.Length), SamplingKernels.Default)
                .Gather(logits, token, others, isLogits: false);

            Assert.Equal(ranks[row], actual.Rank);
            Assert.Equal(ids[(row * width)..][..actual.TokenIds.Length], actual.TokenIds);
            for (int i = 0; i < actual.Values.Length; i++)
                Assert.True(SamplingCase.AreClose(actual.Values[i], values[row * width + i]));
            row++;
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases), "prompt")]
    public void Prompt_ReportsRecordedValues(string name)
    {
        SamplingCase recorded = SamplingCase.Load("logprobs", name);
        int[] prompt = SamplingCase.ReadInts(recorded.Json.GetProperty("prompt_token_ids"));
        int numLogprobs = recorded.Json.GetProperty("num_prompt_logprobs").GetInt32();
        var sampler = new Sampler(recorded.VocabSize, maxNumSeqs: 1);
        for (int row = 0; row + 1 < prompt.Length; row++)
        {
            float[] logits = Logits(recorded, row);

            SampledLogprobs actual = sampler.GatherPromptLogprobs(logits, prompt[row + 1], numLogprobs);

            var gatherer = new LogprobsGatherer(new SamplerScratch(logits.Length), SamplingKernels.Default);
            float[] all = AllValues(gatherer, logits, isLogits: false);
            CompareRow(recorded, "", row, actual, all);
            CompareEntries(recorded.Json.GetProperty("prompt_logprobs")[row + 1], actual);
        }
    }

    static float[] Logits(SamplingCase recorded, int row) =>
        recorded.Tensors.Floats("logits").AsSpan(row * recorded.VocabSize, recorded.VocabSize).ToArray();

    static float[] AllValues(LogprobsGatherer gatherer, float[] logits, bool isLogits) =>
        gatherer.Gather(logits, 0, [.. Enumerable.Range(0, logits.Length)], isLogits).Values[1..];

    /// <summary>Ids among equal values are not fixed: each must have its value, and values be as recorded.</summary>
    static void CompareRow(SamplingCase recorded, string prefix, int row, SampledLogprobs actual, float[] all)
    {
        int width = recorded.Tensors.Shape(prefix + "token_ids")[1];
        int[] ids = recorded.Tensors.Ints(prefix + "token_ids");
        float[] values = recorded.Tensors.Floats(prefix + "values");
        Assert.Equal(recorded.Tensors.Ints(prefix + "ranks")[row], actual.Rank);
        Assert.Equal(width, actual.TokenIds.Length);
        Assert.Equal(actual.TokenIds.Length - 1, actual.TokenIds.Skip(1).Distinct().Count());
        for (int i = 0; i < width; i++)
        {
            float expected = values[row * width + i];
            Assert.True(SamplingCase.AreClose(actual.Values[i], expected), $"{prefix} row {row}: value {i}");
            Assert.Equal(all[actual.TokenIds[i]], actual.Values[i]);
            if (actual.TokenIds[i] != ids[row * width + i])
                Assert.True(all[ids[row * width + i]] == actual.Values[i], $"{prefix} row {row}: id {i}");
        }
    }

    static void CompareEntries(JsonElement expected, SampledLogprobs actual)
    {
        TokenLogprob[] entries = [.. actual.Entries()];
        Assert.Equal(expected.GetArrayLength(), entries.Length);
        for (int i = 0; i < entries.Length; i++)
        {
            Assert.True(SamplingCase.AreClose(entries[i].Logprob, Number(expected[i].GetProperty("logprob"))));
            Assert.Equal(expected[i].GetProperty("rank").GetInt32(), entries[i].Rank);
        }
    }

    static float Number(JsonElement e) => e.ValueKind == JsonValueKind.Null ? float.NegativeInfinity : e.GetSingle();
}
