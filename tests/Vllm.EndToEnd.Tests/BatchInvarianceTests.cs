using Vllm.Engine.Requests;

namespace Vllm.Tests;

/// <summary>The rule that the engine is built on: no bit of a result depends on who else is in the batch, on chunks,
/// prefix cache, preemption or threads. Log-probabilities are compared to the bit, so that a difference shows even where
/// the tokens agree.</summary>
public sealed class BatchInvarianceTests
{
    const int NumPrompts = 40;
    const int NumOutputTokens = 12;
    const int Seed = 20261124;

    static readonly EngineOptions Options = new()
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        MaxModelLen = 512,
        MaxNumSeqs = 64,
        BlockSize = 16,
        NumThreads = 2,
    };

    static readonly Lazy<Task<string[]>> Alone = new(RunAloneAsync);

    public static TheoryData<string> Variants => [.. VariantOptions.Keys];

    static readonly Dictionary<string, EngineOptions> VariantOptions = new()
    {
        ["one batch"] = Options,
        ["1 thread"] = Options with { NumThreads = 1 },
        ["3 threads"] = Options with { NumThreads = 3 },
        ["chunks of 16"] = Options with { MaxNumBatchedTokens = 16, MaxNumSeqs = 16 },
        ["chunks of 64"] = Options with { MaxNumBatchedTokens = 64 },
        ["chunks of 512"] = Options with { MaxNumBatchedTokens = 512 },
        ["no prefix cache"] = Options with { EnablePrefixCaching = false },
        ["blocks of 64"] = Options with { BlockSize = 64 },
    };

    [Theory]
    [MemberData(nameof(Variants))]
    public async Task Outputs_AreThoseOfRequestsAlone(string variant)
    {
        await using AsyncLLM engine = AsyncLLM.Create(VariantOptions[variant]);

        Assert.Equal(await Alone.Value, await RunAsync(engine));
    }

    [Fact]
    public async Task Outputs_AreEqualWithPrefixHits()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options);
        await RunAsync(engine);
        long hitsBefore = engine.Metrics.PrefixCacheHits;

        Assert.Equal(await Alone.Value, await RunAsync(engine));
        Assert.True(engine.Metrics.PrefixCacheHits > hitsBefore);
    }

    [Fact]
    public async Task Outputs_AreEqualUnderPreemption()
    {
        // Room for a few of the requests: the others preempt each other.
        await using AsyncLLM engine = AsyncLLM.Create(Options with { NumGpuBlocksOverride = 40, EnablePrefixCaching = false });

        Assert.Equal(await Alone.Value, await RunAsync(engine));
        Assert.True(engine.Metrics.NumPreemptions > 0);
    }

    [Fact]
    public async Task Outputs_AreEqualWithRandomArrival()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options);
        var random = new Random(Seed);

        Assert.Equal(await Alone.Value, await RunAsync(engine, random));
    }

    static async Task<string[]> RunAloneAsync()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options with { EnablePrefixCaching = false });
        var results = new string[NumPrompts];
        for (int i = 0; i < NumPrompts; i++) results[i] = await RunOneAsync(engine, i);
        return results;
    }

    /// <param name="engine">The engine.</param>
    /// <param name="random">Moments at which the requests start; null: all at once.</param>
    static async Task<string[]> RunAsync(AsyncLLM engine, Random? random = null)
    {
        var tasks = new List<Task<string>>();
        for (int i = 0; i < NumPrompts; i++)
        {
            TimeSpan delay = TimeSpan.FromMilliseconds(random?.Next(400) ?? 0);
            int index = i;
            tasks.Add(Task.Run(async () =>
            {
                await Task.Delay(delay);
                return await RunOneAsync(engine, index);
            }));
        }
        return await Task.WhenAll(tasks);
    }

    /// <summary>Every third prompt is sampled with a seed; the others are greedy.</summary>
    static async Task<string> RunOneAsync(AsyncLLM engine, int index)
    {
        var parameters = new SamplingParams
        {
            Temperature = index % 3 == 0 ? 0.9f : 0,
            TopP = 0.95f,
            Seed = index,
            MaxTokens = NumOutputTokens,
            IgnoreEos = true,
            Logprobs = 3,
            OutputKind = OutputKind.FinalOnly,
        };
        RequestOutput? last = null;
        await foreach (RequestOutput output in engine.Generate($"{index}", Prompt(engine, index), parameters)) last = output;
        CompletionOutput answer = last!.Outputs[0];
        Assert.Equal(FinishReason.Length, answer.FinishReason);
        return string.Join(' ', answer.Logprobs!.SelectMany(position => position.Entries)
            .Select(entry => $"{entry.TokenId}:{BitConverter.SingleToUInt32Bits(entry.Logprob):x8}"));
    }

    /// <summary>Prompts of 4 to some 300 tokens; several share beginnings longer than a block.</summary>
    static int[] Prompt(AsyncLLM engine, int index)
    {
        var random = new Random(Seed + index % 8); // 8 families with a common beginning
        string[] words = ["river", "seven", "because", "the", "Paris", "code", "under", "light", "if", "12", "naïve", "\n", "of", "and"];
        int numWords = 1 + index * 7;
        string text = string.Join(' ', Enumerable.Range(0, numWords).Select(_ => words[random.Next(words.Length)]));
        return engine.Tokenizer.Encode($"Continue: {text} {index}");
    }
}
