using System.Text.Json;
using Vllm.Engine.Sampling;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>Sequences, order and scores, against those recorded from vLLM's beam search.</summary>
public class BeamSearchTests
{
    static readonly string Folder = Path.Combine(Fixtures.Family("sampling"), "beam");

    static IEnumerable<JsonElement> Lines => Fixtures.Lines(Path.Combine(Folder, "cases.jsonl"));

    public static TheoryData<string> Cases() => [.. Lines.Select(line => line.GetProperty("name").GetString()!)];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Search_FindsRecordedSequences(string name)
    {
        JsonElement recorded = Lines.Single(line => line.GetProperty("name").GetString() == name);
        string config = Fixtures.FindFile("sampling", "beam", "tiny-llama", "config.json");
        var model = new TinyLlama(Path.GetDirectoryName(config)!);
        BeamSearchParams p = Read(recorded.GetProperty("params"));
        foreach (JsonElement result in recorded.GetProperty("results").EnumerateArray())
        {
            int[] prompt = SamplingCase.ReadInts(result.GetProperty("prompt_token_ids"));
            var search = new BeamSearch(prompt, p, model.EosTokenId);
            var gatherer = new LogprobsGatherer(new SamplerScratch(model.VocabSize), SamplingKernels.Default);
            while (search.Running.Count > 0)
                search.Advance([.. search.Running.Select(beam => Next(model, gatherer, beam, search.NumLogprobs))]);

            Compare(result.GetProperty("sequences"), search, prompt.Length, model.EosTokenId);
        }
    }

    static TokenLogprobs Next(TinyLlama model, LogprobsGatherer gatherer, Beam beam, int numLogprobs)
    {
        float[] logits = model.Logits(beam.TokenIds);
        return gatherer.GatherTop(logits, SamplingKernels.Default.Argmax(logits), numLogprobs, isLogits: false).ToTokenLogprobs();
    }

    static BeamSearchParams Read(JsonElement p) => new()
    {
        BeamWidth = p.GetProperty("beam_width").GetInt32(),
        MaxTokens = p.GetProperty("max_tokens").GetInt32(),
        IgnoreEos = p.TryGetProperty("ignore_eos", out JsonElement ignore) && ignore.GetBoolean(),
        LengthPenalty = p.TryGetProperty("length_penalty", out JsonElement penalty) ? penalty.GetDouble() : 1,
    };

    static void Compare(JsonElement expected, BeamSearch search, int numPromptTokens, int eosTokenId)
    {
        IReadOnlyList<Beam> beams = search.Results();
        Assert.Equal(expected.GetArrayLength(), beams.Count);
        foreach ((Beam beam, JsonElement sequence) in beams.Zip(expected.EnumerateArray()))
        {
            double logprob = sequence.GetProperty("cum_logprob").GetDouble();
            double score = sequence.GetProperty("score").GetDouble();
            Assert.Equal(SamplingCase.ReadInts(sequence.GetProperty("tokens")), beam.TokenIds[numPromptTokens..]);
            Assert.Equal(logprob, beam.CumulativeLogprob, 1e-4);
            Assert.Equal(score, search.Score(beam), Math.Abs(score / logprob) * 1e-4);
            Assert.Equal(sequence.GetProperty("ends_with_eos").GetBoolean(), beam.TokenIds[^1] == eosTokenId);
            Assert.Equal(SamplingCase.ReadInts(sequence.GetProperty("token_ranks")), beam.Output.Select(t => t.Rank));
            foreach ((TokenLogprob token, JsonElement value) in
                beam.Output.Zip(sequence.GetProperty("token_logprobs").EnumerateArray()))
                Assert.Equal(value.GetDouble(), token.Logprob, 1e-4);
        }
    }

    [Theory]
    [InlineData(0, "beam_width must be at least 1, got 0.")]
    [InlineData(16384, null)]
    [InlineData(16385, "beam_width must be at most 16384, got 16385. To increase this limit, set the "
        + "VLLM_MAX_N_SEQUENCES environment variable.")]
    public void Validate_ChecksTheWidth(int width, string? message)
    {
        var p = new BeamSearchParams { BeamWidth = width, MaxTokens = 1 };

        Assert.Equal(message, p.Validate().FirstOrDefault()?.Message);
    }
}
