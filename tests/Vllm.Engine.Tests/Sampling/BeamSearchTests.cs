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

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Engine_FindsRecordedSequences(string name)
    {
        JsonElement recorded = Lines.Single(line => line.GetProperty("name").GetString() == name);
        JsonElement[] expected = [.. recorded.GetProperty("results").EnumerateArray()];
        IReadOnlyList<int>[] prompts = [.. expected.Select(r => SamplingCase.ReadInts(r.GetProperty("prompt_token_ids")))];
        using LLM llm = Load();

        IReadOnlyList<RequestOutput> actual = llm.BeamSearch(prompts, Read(recorded.GetProperty("params")));

        Assert.Equal(expected.Length, actual.Count);
        for (int i = 0; i < expected.Length; i++) Compare(expected[i].GetProperty("sequences"), actual[i]);
    }

    /// <summary>The recorded model with another tokenizer, as its own kind is not read: the ids are what is compared.</summary>
    static LLM Load()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("vllm-beam-");
        try
        {
            Copy("config.json", "sampling", "beam", "tiny-llama");
            Copy("model.safetensors", "sampling", "beam", "tiny-llama");
            Copy("tokenizer.json", "server", "tiny-default", "model");
            return new LLM(new EngineOptions
            {
                Model = folder.FullName,
                Dtype = "float32",
                KvCacheMemoryBytes = 16 << 20,
                BlockSize = 4, // beams share blocks
            });
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        void Copy(string file, params string[] from) =>
            File.Copy(Fixtures.FindFile([.. from, file]), Path.Combine(folder.FullName, file));
    }

    static void Compare(JsonElement expected, RequestOutput actual)
    {
        Assert.Equal(expected.GetArrayLength(), actual.Outputs.Count);
        foreach ((CompletionOutput output, JsonElement sequence) in actual.Outputs.Zip(expected.EnumerateArray()))
        {
            Assert.Equal(SamplingCase.ReadInts(sequence.GetProperty("tokens")), output.TokenIds);
            Assert.Equal(sequence.GetProperty("cum_logprob").GetDouble(), output.CumulativeLogprob!.Value, 1e-4);
            Assert.Equal(SamplingCase.ReadInts(sequence.GetProperty("token_ranks")), output.Logprobs!.Select(l => l.Token.Rank));
            Assert.Equal(output.TokenIds, output.Logprobs!.Select(l => l.Token.TokenId));
        }
    }

    [Fact]
    public async Task Engine_CancelledSearch_FreesItsBlocks()
    {
        await using AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 2048,
            MaxNumSeqs = 8,
        });
        using var cancel = new CancellationTokenSource();
        var parameters = new BeamSearchParams { BeamWidth = 4, MaxTokens = 2000, IgnoreEos = true };
        Task<RequestOutput> search = engine.BeamSearchAsync("search", [1, 2, 3], parameters, cancellationToken: cancel.Token);
        await Task.Delay(100);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => search);

        RequestOutput? other = null; // its step comes after the aborts
        await foreach (RequestOutput o in engine.Generate("other", [1, 2], new SamplingParams { MaxTokens = 1 })) other = o;
        Assert.True(other!.Finished);
        Assert.True(await engine.ResetPrefixCacheAsync()); // false while a request holds blocks
    }

    [Fact]
    public void Engine_WidthBeyondMaxLogprobs_IsRefused()
    {
        using LLM llm = Load();
        var parameters = new BeamSearchParams { BeamWidth = 11, MaxTokens = 2 };

        ArgumentException error = Assert.Throws<ArgumentException>(() => llm.BeamSearch([[1, 2]], parameters));

        Assert.Contains("Requested sample logprobs of 22, which is greater than max allowed: 20", error.Message);
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
        Temperature = p.TryGetProperty("temperature", out JsonElement temperature) ? temperature.GetSingle() : 0,
        IncludeStopStrInOutput = true, // as the recorded offline API
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
            Assert.Equal(SamplingCase.ReadInts(sequence.GetProperty("token_ranks")), beam.Output.Select(t => t.Token.Rank));
            foreach ((TokenLogprobs choice, JsonElement value) in
                beam.Output.Zip(sequence.GetProperty("token_logprobs").EnumerateArray()))
                Assert.Equal(value.GetDouble(), choice.Token.Logprob, 1e-4);
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
