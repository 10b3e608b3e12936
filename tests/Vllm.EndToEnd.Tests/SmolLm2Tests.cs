using System.Text.Json;

namespace Vllm.Tests;

/// <summary>The embedded model against transformers in fp32 on the exactly dequantized weights (family smollm2).</summary>
public sealed class SmolLm2Tests : IClassFixture<SmolLm2Tests.Engines>
{
    /// <summary>Below this margin fp32 implementations may differ (README of the family).</summary>
    const double Fp32Margin = 1e-3;
    const double Fp32LogprobTolerance = 1e-3;

    /// <summary>Where the reference's best token leads by more than this, int8 activations must not change it (README of
    /// the family; the largest margin at which they did is stated in docs/accuracy.md).</summary>
    const double QuantizedMargin = 1.0;
    const double QuantizedLogprobMax = 1.0;
    const double QuantizedLogprobMean = 0.15;
    const int NumComparedTop = 5;

    /// <summary>Enough of a row's best tokens to hold the reference's first few.</summary>
    const int NumTop = 200;
    const double PerplexityTolerance = 0.01;

    readonly Engines _engines;
    readonly ITestOutputHelper _output;

    public SmolLm2Tests(Engines engines, ITestOutputHelper output)
    {
        _engines = engines;
        _output = output;
    }

    /// <summary>The model in exact fp32 and as it is served.</summary>
    public sealed class Engines : IAsyncDisposable
    {
        internal static readonly EngineOptions Options = new()
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 2048,
            MaxLogprobs = -1,
        };

        public AsyncLLM Fp32 { get; } = AsyncLLM.Create(Options with { Dtype = "float32" });

        public AsyncLLM Quantized { get; } = AsyncLLM.Create(Options);

        public async ValueTask DisposeAsync()
        {
            await Fp32.DisposeAsync();
            await Quantized.DisposeAsync();
        }
    }

    static IEnumerable<JsonElement> Prompts => Fixtures.Lines(Path.Combine(Fixtures.Family("smollm2"), "prompts.jsonl"));

    static IEnumerable<JsonElement> Texts => Fixtures.Lines(Path.Combine(Fixtures.Family("smollm2"), "perplexity.jsonl"));

    /// <summary>Another set of fixtures may have none of a kind.</summary>
    static void SkipWithout(IEnumerable<JsonElement> cases) => Assert.SkipUnless(cases.Any(), "the fixtures have no such cases");

    static int[] Ints(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];

    static double[] Doubles(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(value => value.GetDouble())];

    [Fact]
    public void Prompts_AreTokenizedAndRendered()
    {
        SkipWithout(Prompts);
        AsyncLLM engine = _engines.Quantized;
        foreach (JsonElement line in Prompts)
        {
            bool isChat = line.GetProperty("kind").GetString() == "chat";
            string text = line.GetProperty(isChat ? "rendered" : "text").GetString()!;
            if (isChat)
            {
                Assert.Equal(text, engine.ChatTemplate!.Render(new Text.ChatTemplates.ChatTemplateInput
                {
                    Messages = line.GetProperty("messages"),
                    AddGenerationPrompt = true,
                    BosToken = engine.Config.BosToken,
                    EosToken = engine.Config.EosToken,
                }));
            }
            Assert.Equal(Ints(line, "input_ids"), engine.Tokenizer.Encode(text));
        }
    }

    [Fact]
    public async Task Fp32_EqualsReference()
    {
        SkipWithout(Prompts);
        int[] certain = await Task.WhenAll(Prompts.Select(CheckFp32Async));
        Assert.True(certain.Sum() > 0);
    }

    /// <summary>With the reference's tokens fed in, so that one difference does not make others.</summary>
    [Fact]
    public async Task Quantized_IsNearReference()
    {
        SkipWithout(Prompts);
        (double[] Differences, double LostMargin)[] cases = await Task.WhenAll(Prompts.Select(CheckQuantizedAsync));

        double[] all = [.. cases.SelectMany(ofCase => ofCase.Differences)];
        _output.WriteLine($"log-probabilities differ by {all.Max():F3} at most, {all.Average():F4} on average; "
            + $"another token was best at margins up to {cases.Max(ofCase => ofCase.LostMargin):F3}");
        Assert.True(all.Max() <= QuantizedLogprobMax, $"largest difference of a log-probability {all.Max()}");
        Assert.True(all.Average() <= QuantizedLogprobMean, $"mean difference of log-probabilities {all.Average()}");
    }

    [Fact]
    public Task Fp32_PerplexityEqualsReference() => CheckPerplexityAsync(_engines.Fp32, Fp32LogprobTolerance);

    [Fact]
    public Task Quantized_PerplexityIsWithinOnePercent() => CheckPerplexityAsync(_engines.Quantized, double.MaxValue);

    /// <summary>What 8 bits of cache cost, on top of fp32 and of int8 activations.</summary>
    [Theory]
    [InlineData("fp8_e4m3", 0.015)]
    [InlineData("fp8_e5m2", 0.1)]
    [InlineData("int8_per_token_head", 0.01)]
    public async Task CacheOf8Bits_PerplexityStaysNearReference(string dtype, double limit)
    {
        await using AsyncLLM fp32 = AsyncLLM.Create(Engines.Options with { Dtype = "float32", KvCacheDtype = dtype });
        await CheckPerplexityAsync(fp32, double.MaxValue, limit);
        await using AsyncLLM quantized = AsyncLLM.Create(Engines.Options with { KvCacheDtype = dtype });
        await CheckPerplexityAsync(quantized, double.MaxValue, limit);
    }

    async Task<int> CheckFp32Async(JsonElement line)
    {
        int[] expected = Ints(line, "output_ids");
        CompletionOutput output = (await RequestAsync(_engines.Fp32, Ints(line, "input_ids"), new SamplingParams
        {
            Temperature = 0,
            MaxTokens = expected.Length,
            IgnoreEos = true,
            Logprobs = 20,
        })).Outputs[0];
        int numCertain = Doubles(line, "margins").TakeWhile(value => value > Fp32Margin).Count();
        string name = line.GetProperty("name").GetString()!;
        Assert.True(expected.Take(numCertain).SequenceEqual(output.TokenIds.Take(numCertain)),
            $"{name}: [{string.Join(' ', output.TokenIds)}] in place of [{string.Join(' ', expected)}], {numCertain} certain");
        JsonElement[] top = [.. line.GetProperty("top").EnumerateArray()];
        for (int step = 0; step < Math.Min(top.Length, numCertain + 1); step++)
            CheckTop(name, top[step], output.Logprobs![step], Fp32LogprobTolerance);
        return numCertain;
    }

    async Task<(double[] Differences, double LostMargin)> CheckQuantizedAsync(JsonElement line)
    {
        int[] prompt = Ints(line, "input_ids");
        int[] expected = Ints(line, "output_ids");
        double[] margins = Doubles(line, "margins");
        JsonElement[] top = [.. line.GetProperty("top").EnumerateArray()];
        RequestOutput output = await RequestAsync(_engines.Quantized, [.. prompt, .. expected], new SamplingParams
        {
            Temperature = 0,
            MaxTokens = 1,
            PromptLogprobs = NumTop,
        });
        var differences = new List<double>();
        double lostMargin = 0; // largest margin at which another token than the reference's was the best
        for (int step = 0; step < expected.Length; step++)
        {
            IReadOnlyList<TokenLogprob> entries = output.PromptLogprobs![prompt.Length + step]!.Entries;
            if (entries.First(entry => entry.Rank == 1).TokenId != expected[step]) lostMargin = Math.Max(lostMargin, margins[step]);
            if (step >= top.Length) continue;
            var logprobs = entries.ToDictionary(entry => entry.TokenId, entry => entry.Logprob);
            foreach ((int id, double logprob) in Ints(top[step], "ids").Zip(Doubles(top[step], "logprobs")).Take(NumComparedTop))
                differences.Add(Math.Abs(logprobs[id] - logprob));
        }
        Assert.True(lostMargin <= QuantizedMargin, $"{line.GetProperty("name")}: another token was best at a margin of {lostMargin}");
        return ([.. differences], lostMargin);
    }

    static void CheckTop(string name, JsonElement top, TokenLogprobs actual, double tolerance)
    {
        Dictionary<int, float> logprobs = actual.Entries.ToDictionary(entry => entry.TokenId, entry => entry.Logprob);
        double last = actual.Entries.Min(entry => entry.Logprob);
        foreach ((int id, double expected) in Ints(top, "ids").Zip(Doubles(top, "logprobs")))
        {
            double found = logprobs.TryGetValue(id, out float value) ? value : last; // at the end of the list another may be in its place
            Assert.True(Math.Abs(found - expected) <= tolerance, $"{name}: token {id} has {found}, expected {expected}");
        }
    }

    async Task CheckPerplexityAsync(AsyncLLM engine, double tolerance, double limit = PerplexityTolerance)
    {
        SkipWithout(Texts);
        foreach (JsonElement line in Texts)
        {
            int[] ids = Ints(line, "input_ids");
            RequestOutput output = await RequestAsync(engine, ids, new SamplingParams
            {
                Temperature = 0,
                MaxTokens = 1,
                PromptLogprobs = 0,
            });
            double[] actual = [.. output.PromptLogprobs!.Skip(1).Select(position => (double)position!.Entries[0].Logprob)];
            double[] expected = Doubles(line, "logprobs");
            Assert.Equal(expected.Length, actual.Length);
            for (int i = 0; i < actual.Length; i++)
                Assert.True(Math.Abs(actual[i] - expected[i]) <= tolerance, $"position {i}: {actual[i]}, expected {expected[i]}");
            double perplexity = Math.Exp(-actual.Average());
            double reference = line.GetProperty("perplexity").GetDouble();
            _output.WriteLine($"{line.GetProperty("name")}: perplexity {perplexity:F4}, reference {reference:F4} ({100 * (perplexity / reference - 1):+0.000;-0.000} %)");
            Assert.True(Math.Abs(perplexity / reference - 1) <= limit, $"perplexity {perplexity}, reference {reference}");
        }
    }

    static async Task<RequestOutput> RequestAsync(AsyncLLM engine, int[] prompt, SamplingParams parameters)
    {
        RequestOutput? last = null;
        parameters = parameters with { OutputKind = OutputKind.FinalOnly };
        await foreach (RequestOutput output in engine.Generate(Guid.NewGuid().ToString(), prompt, parameters)) last = output;
        return last!;
    }
}
