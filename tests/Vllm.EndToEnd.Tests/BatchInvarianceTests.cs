using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;

namespace Vllm.Tests;

/// <summary>The rule that the engine is built on: no bit of a result depends on who else is in the batch, on chunks,
/// prefix cache, preemption, the host tier, priorities or threads. Every request's tokens, texts and log-probabilities
/// are those of the request alone; log-probabilities are compared to the bit, so that a difference shows even where the
/// tokens agree.</summary>
public sealed class BatchInvarianceTests
{
    const int NumPrompts = 24;
    const int NumOutputTokens = 12;
    const int Seed = 20261124;

    /// <summary>Room for one request of the full length and a little more, so that running ones preempt each other and
    /// little stays cached.</summary>
    const int FewBlocks = 20;

    static readonly EngineOptions Options = new()
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        MaxModelLen = 256,
        MaxNumSeqs = 64,
        BlockSize = 16,
        NumThreads = 2,
    };

    /// <summary>Some 700 blocks: all that the prompts need.</summary>
    static readonly EngineOptions HostTier = Options with { NumGpuBlocksOverride = FewBlocks, KvOffloadingSize = 0.25 };

    static readonly Lazy<Task<string[]>> Alone = new(RunAloneAsync);

    public static TheoryData<string> Variants => [.. VariantOptions.Keys];

    static readonly Dictionary<string, EngineOptions> VariantOptions = new()
    {
        ["one batch"] = Options,
        ["1 thread"] = Options with { NumThreads = 1 },
        ["3 threads, chunks of 64"] = Options with { NumThreads = 3, MaxNumBatchedTokens = 64 },
        ["chunks of 16"] = Options with { MaxNumBatchedTokens = 16, MaxNumSeqs = 16 },
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
        await using AsyncLLM engine = AsyncLLM.Create(
            Options with { NumGpuBlocksOverride = FewBlocks, EnablePrefixCaching = false, SchedulerReserveFullIsl = false });

        Assert.Equal(await Alone.Value, await RunAsync(engine));
        Assert.True(engine.Metrics.NumPreemptions > 0);
    }

    [Fact]
    public async Task Outputs_AreEqualWithTheHostTierAndRandomPriorities()
    {
        await using AsyncLLM engine = AsyncLLM.Create(
            HostTier with { SchedulingPolicy = SchedulingPolicy.Priority, MaxNumBatchedTokens = 64 });

        Assert.Equal(await Alone.Value, await RunAsync(engine, new Random(Seed)));
        Assert.True(engine.Metrics.NumPreemptions > 0);
        Assert.True(engine.Metrics.HostTier.NumLoaded > 0);
    }

    /// <summary>The prompts in turn, twice: the second time the cache has forgotten them and the host has not.</summary>
    [Fact]
    public async Task HostTier_SavesPromptTokensAndChangesNoBit()
    {
        await using AsyncLLM with = AsyncLLM.Create(HostTier);
        await using AsyncLLM without = AsyncLLM.Create(HostTier with { KvOffloadingSize = null });
        foreach (AsyncLLM engine in (AsyncLLM[])[with, without])
            for (int turn = 0; turn < 2; turn++)
                for (int i = 9; i < NumPrompts; i += 2)
                    Assert.Equal((await Alone.Value)[i], await RunOneAsync(engine, i));

        HostTierStats stats = with.Metrics.HostTier;
        Assert.True(stats.NumLoaded > 0);
        Assert.Equal(stats.NumLoaded * Options.BlockSize!.Value, stats.NumHitTokens);
        Assert.Equal(default, without.Metrics.HostTier);
        Assert.InRange(with.Metrics.NumComputedPromptTokens, 1, without.Metrics.NumComputedPromptTokens * 3 / 4);
    }

    /// <summary>With 8 bits the blocks that come back are not those that went: only the first turn is exact.</summary>
    [Fact]
    public async Task HostTierOf8Bits_StaysCloseToTheExactResult()
    {
        await using AsyncLLM engine = AsyncLLM.Create(HostTier with { KvOffloadingDtype = "int8_per_token_head" });
        int[] prompt = Prompt(engine, NumPrompts - 1);
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 1, Logprobs = 3 };
        float exact = await LogprobAsync(engine, prompt, parameters);
        for (int i = 8; i < NumPrompts - 1; i++) await LogprobAsync(engine, Prompt(engine, i), parameters);
        long numLoadedBefore = engine.Metrics.HostTier.NumLoaded;

        float approximate = await LogprobAsync(engine, prompt, parameters);

        Assert.True(engine.Metrics.HostTier.NumLoaded > numLoadedBefore);
        Assert.NotEqual(exact, approximate);
        Assert.Equal(exact, approximate, 0.1);
    }

    [Fact]
    public async Task ResetPrefixCache_EmptiesTheHostTierWhenAsked()
    {
        await using AsyncLLM engine = AsyncLLM.Create(HostTier);
        await RunOneAsync(engine, NumPrompts - 1);

        Assert.True(await engine.ResetPrefixCacheAsync(resetExternal: true));

        await RunOneAsync(engine, NumPrompts - 1);
        Assert.Equal(0, engine.Metrics.PrefixCacheHits + engine.Metrics.HostTier.NumHitTokens);
    }

    [Fact]
    public async Task Outputs_AreEqualWithRandomArrival()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options);

        Assert.Equal(await Alone.Value, await RunAsync(engine, new Random(Seed)));
    }

    /// <summary>Blocks of whole tiles are read without a copy in decode steps; those of 16 tokens are not.</summary>
    [Theory]
    [InlineData("fp8_e4m3", 16)]
    [InlineData("fp8_e4m3", 64)]
    [InlineData("int8_per_token_head", 64)]
    public async Task Outputs_AreEqualWithACacheOf8Bits(string dtype, int blockSize)
    {
        EngineOptions options = HostTier with
        {
            KvCacheDtype = dtype,
            BlockSize = blockSize,
            NumGpuBlocksOverride = FewBlocks * Options.BlockSize!.Value / blockSize + 1,
            MaxNumBatchedTokens = 64,
        };
        string[] alone = await RunAloneAsync(Options with { KvCacheDtype = dtype });
        await using AsyncLLM engine = AsyncLLM.Create(options);

        Assert.NotEqual(await Alone.Value, alone);
        Assert.Equal(alone, await RunAsync(engine, new Random(Seed)));
        Assert.True(engine.Metrics.HostTier.NumLoaded > 0);
    }

    static Task<string[]> RunAloneAsync() => RunAloneAsync(Options);

    static async Task<string[]> RunAloneAsync(EngineOptions options)
    {
        await using AsyncLLM engine = AsyncLLM.Create(options with { EnablePrefixCaching = false });
        var results = new string[NumPrompts];
        for (int i = 0; i < NumPrompts; i++) results[i] = await RunOneAsync(engine, i);
        Assert.Contains(results, result => result.Contains("\nStop ", StringComparison.Ordinal));
        return results;
    }

    /// <param name="engine">The engine.</param>
    /// <param name="random">Moments at which the requests start and their priorities; null: all at once.</param>
    static async Task<string[]> RunAsync(AsyncLLM engine, Random? random = null)
    {
        var tasks = new List<Task<string>>();
        for (int i = 0; i < NumPrompts; i++)
        {
            TimeSpan delay = TimeSpan.FromMilliseconds(random?.Next(400) ?? 0);
            int priority = random?.Next(5) ?? 0;
            int index = i;
            tasks.Add(Task.Run(async () =>
            {
                await Task.Delay(delay);
                return await RunOneAsync(engine, index, priority);
            }));
        }
        return await Task.WhenAll(tasks);
    }

    static async Task<string> RunOneAsync(AsyncLLM engine, int index, int priority = 0)
    {
        RequestOutput output = await LastAsync(engine.Generate(
            $"{index}", Prompt(engine, index), Parameters(index), new GenerateOptions { Priority = priority }));
        return string.Join('\n', output.Outputs.Select(Describe).Prepend(Describe(output.PromptLogprobs)));
    }

    static async Task<float> LogprobAsync(AsyncLLM engine, int[] prompt, SamplingParams parameters) =>
        (await LastAsync(engine.Generate(Guid.NewGuid().ToString(), prompt, parameters)))
            .Outputs[0].Logprobs![0].Entries[0].Logprob;

    static async Task<RequestOutput> LastAsync(IAsyncEnumerable<RequestOutput> outputs)
    {
        RequestOutput? last = null;
        await foreach (RequestOutput output in outputs) last = output;
        return last!;
    }

    /// <summary>Each of the ways to choose a token, in turn.</summary>
    static SamplingParams Parameters(int index)
    {
        var greedy = new SamplingParams
        {
            Temperature = 0,
            MaxTokens = NumOutputTokens,
            IgnoreEos = true,
            Logprobs = 3,
            OutputKind = OutputKind.FinalOnly,
        };
        SamplingParams sampled = greedy with { Temperature = 0.9f, TopP = 0.95f, Seed = index };
        return (index % 8) switch
        {
            0 => greedy,
            1 => sampled,
            2 => greedy with { RepetitionPenalty = 1.3f, PresencePenalty = 0.5f, FrequencyPenalty = 0.4f },
            3 => sampled with { RepetitionPenalty = 1.1f, FrequencyPenalty = -0.3f, TopK = 40, MinP = 0.02f },
            4 => greedy with { PromptLogprobs = 2 },
            5 => sampled with { N = 3 },
            6 => greedy with { Stop = ["a", "e", "\n"], MaxTokens = 3 * NumOutputTokens },
            _ => sampled with { LogitBias = new Dictionary<int, float> { [index] = 3, [28] = -100 }, MinTokens = 5 },
        };
    }

    static string Describe(CompletionOutput answer)
    {
        Assert.NotNull(answer.FinishReason);
        return $"{answer.FinishReason} {answer.StopString} [{string.Join(' ', answer.TokenIds)}] '{answer.Text}' "
            + Describe(answer.Logprobs);
    }

    static string Describe(IEnumerable<TokenLogprobs?>? positions) => string.Join(' ', (positions ?? [])
        .SelectMany(position => position?.Entries ?? [])
        .Select(entry => $"{entry.TokenId}:{BitConverter.SingleToUInt32Bits(entry.Logprob):x8}"));

    /// <summary>Prompts of 4 to some 200 tokens; several share beginnings longer than a block.</summary>
    static int[] Prompt(AsyncLLM engine, int index)
    {
        var random = new Random(Seed + index % 3); // 3 families with a common beginning
        string[] words = ["river", "seven", "because", "the", "Paris", "code", "under", "light", "if", "12", "naïve", "\n", "of", "and"];
        int numWords = 1 + index * 7;
        string text = string.Join(' ', Enumerable.Range(0, numWords).Select(_ => words[random.Next(words.Length)]));
        return engine.Tokenizer.Encode($"Continue: {text} {index}");
    }
}
