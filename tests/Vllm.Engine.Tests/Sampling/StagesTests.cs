using System.Text.Json;
using Vllm.Engine.Sampling;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Logits after each stage, against those recorded from vLLM's sampler.</summary>
public class StagesTests
{
    public static TheoryData<string> Cases() => SamplingCase.Names("stages");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void EachStage_GivesRecordedLogits(string name)
    {
        SamplingCase recorded = SamplingCase.Load("stages", name);
        foreach (SamplingKernelsVariant variant in SamplingKernels.Variants.Where(v => v.IsSupported))
        {
            SamplerRow[] rows = recorded.Rows();
            for (int i = 0; i < rows.Length; i++) new RowCheck(recorded, rows[i], i, variant.Kernels).Run();
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Greedy_TakesRecordedArgmax(string name)
    {
        SamplingCase recorded = SamplingCase.Load("stages", name);
        int[] argmax = recorded.Tensors.Ints("argmax");
        float[] logits = recorded.Tensors.Floats("logits");
        SamplerRow[] rows = recorded.Rows();
        var output = new SamplerOutput(rows.Length);

        new Sampler(recorded.VocabSize, rows.Length)
            .Sample(i => logits.AsSpan(i * recorded.VocabSize, recorded.VocabSize), rows, output);

        for (int i = 0; i < rows.Length; i++)
            if (rows[i].Params.IsGreedy)
                Assert.Equal(argmax[i], output.TokenIds[i]);
    }

    sealed class RowCheck(SamplingCase recorded, SamplerRow row, int index, SamplingKernels kernels)
    {
        readonly float[] _logits = Slice(recorded, "logits", index);
        float[] _expected = Slice(recorded, "logits", index);

        public void Run()
        {
            bool hasTemperature = recorded.Json.GetProperty("stages").EnumerateArray()
                .Any(s => s.GetProperty("stage").GetString() == "temperature");
            LogitsProcessors.ApplyAllowedTokens(row, _logits, new float[_logits.Length]);
            Compare("allowed_token_ids", _logits);
            LogitsProcessors.ApplyBadWords(row, _logits);
            Compare("bad_words", _logits);
            LogitsProcessors.ApplyMinTokens(row, _logits);
            Compare("min_tokens", _logits);
            LogitsProcessors.ApplyLogitBias(row, _logits);
            Compare("logit_bias", _logits);
            LogitsProcessors.ApplyPenalties(row, _logits);
            Compare("penalties", _logits);
            Assert.Equal(recorded.Tensors.Ints("argmax")[index], kernels.Argmax(_logits));

            SamplingParams p = row.Params;
            if (hasTemperature)
            {
                Compare("temperature", Limit(0, 0, 1));
                Compare("min_p", Limit(p.MinP, 0, 1));
                if (recorded.Tensors.Contains("after_top_k"))
                {
                    float[] before = _expected;
                    Compare("top_k", Limit(p.MinP, p.TopK, 1));
                    _expected = before;
                }
                CompareTopP(Limit(p.MinP, p.TopK, p.TopP));
            }
            CompareProbabilities(Limit(p.MinP, p.TopK, p.TopP));
        }

        float[] Limit(float minP, int topK, float topP)
        {
            float[] limited = [.. _logits];
            if (!row.Params.IsGreedy)
                SamplingCase.ApplyLimits(limited, row.Params.Temperature, minP, topK, topP, kernels);
            return limited;
        }

        void Compare(string stage, float[] actual)
        {
            Advance(stage);
            for (int id = 0; id < actual.Length; id++)
                Assert.True(SamplingCase.AreClose(actual[id], _expected[id]),
                    $"row {index}, after {stage}, token {id}: {actual[id]:R}, recorded {_expected[id]:R}");
        }

        void Advance(string stage)
        {
            if (recorded.Tensors.Contains("after_" + stage)) _expected = Slice(recorded, "after_" + stage, index);
        }

        JsonElement Record => recorded.Json.GetProperty("row_info")[index];

        /// <summary>The recorded sort is not stable and its sums are fp32, which shows at the cut of top-p.</summary>
        void CompareTopP(float[] actual)
        {
            // In a batch of its own vLLM would give other masks for this row: only the probabilities count.
            if (!Record.GetProperty("same_alone").GetBoolean()) return;
            double margin = Record.TryGetProperty("top_p_margin", out JsonElement m) ? m.GetDouble() : 1;
            bool isTie = Record.TryGetProperty("top_p_boundary_tie", out JsonElement t) && t.GetBoolean();
            if (!isTie && margin >= 2e-6)
            {
                Compare("top_k_top_p", actual);
                return;
            }

            Advance("top_k_top_p");
            float[] kept = Finite(actual), expected = Finite(_expected);
            int slack = margin < (isTie ? 1e-6 : 2e-6) ? 1 : 0;
            Assert.InRange(kept.Length, expected.Length - slack, expected.Length + slack);
            foreach ((float a, float b) in kept.Zip(expected)) Assert.True(SamplingCase.AreClose(a, b));
        }

        static float[] Finite(float[] logits) => [.. logits.Where(float.IsFinite).OrderDescending()];

        void CompareProbabilities(float[] actual)
        {
            bool isTie = Record.TryGetProperty("top_p_boundary_tie", out JsonElement t) && t.GetBoolean();
            double margin = Record.TryGetProperty("top_p_margin", out JsonElement m) ? m.GetDouble() : 1;
            if (isTie || margin < 2e-6) return;
            float[] expected = Slice(recorded, "final_probs", index);
            double max = actual.Max(), sum = actual.Sum(v => Math.Exp(v - max));
            for (int id = 0; id < actual.Length; id++)
                Assert.True(SamplingCase.AreClose((float)(Math.Exp(actual[id] - max) / sum), expected[id], 1e-6f),
                    $"row {index}, probability of {id}: {Math.Exp(actual[id] - max) / sum}, recorded {expected[id]:R}");
        }
    }

    static float[] Slice(SamplingCase recorded, string tensor, int row) =>
        recorded.Tensors.Floats(tensor).AsSpan(row * recorded.VocabSize, recorded.VocabSize).ToArray();
}
