using Vllm.Engine.Execution;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;
using Vllm.Tests;

namespace Vllm.Engine.Tests;

/// <summary>Whole steps of the embedded model, driven by hand as <see cref="EngineCore"/> drives them.</summary>
public sealed class EngineStepTests
{
    const int BlockSize = 64;

    /// <summary>All that changes how a token is chosen and reports nothing beside it.</summary>
    static readonly SamplingParams[] Kinds =
    [
        new() { Temperature = 0 },
        new() { Temperature = 0, RepetitionPenalty = 1.2f, FrequencyPenalty = 0.5f, PresencePenalty = 0.5f },
        new(),
        new() { Seed = 1, TopP = 0.9f },
        new() { TopK = 40 },
        new() { MinP = 0.05f, Temperature = 0.7f },
        new() { TopK = 50, TopP = 0.95f, RepetitionPenalty = 1.1f },
        new() { LogitBias = new Dictionary<int, float> { [9] = 1 }, MinTokens = 90, StopTokenIds = [7] },
        new() { AllowedTokenIds = [10, 11, 12, 13], Temperature = 2 },
    ];

    [Fact]
    public void DecodeStep_AllocatesNothing()
    {
        LoadedEngine engine = EngineLoader.Load(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 256,
            MaxNumSeqs = Kinds.Length,
            BlockSize = BlockSize,
        }, progress: null);
        using ModelRunner runner = engine.Runner;
        for (int i = 0; i < Kinds.Length; i++)
            engine.Scheduler.Add(new Request($"{i}", [1, 2, 3 + i], Kinds[i] with { IgnoreEos = true }, maxTokens: 100) { BadWords = [[5, 6]] });
        var finished = new List<Request>();
        var tokens = new StepTokens();
        for (int i = 0; i < 50; i++) Step(); // prefill; kernels for each length of a tile are made, lists grow

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) Step(); // ends before the first block is full
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(Kinds.Length, tokens.Tokens.Count);
        Assert.Equal(0, allocated);

        void Step()
        {
            SchedulerOutput step = engine.Scheduler.Schedule();
            SamplerOutput sampled = runner.Execute(step);
            engine.Scheduler.Update(step, sampled.TokenIds, finished);
            tokens.Fill(step, sampled, time: 0);
        }
    }
}
