using Vllm.Engine.Execution;
using Vllm.Engine.Requests;
using Vllm.Engine.Sampling;
using Vllm.Engine.Scheduling;
using Vllm.Tests;

namespace Vllm.Engine.Tests;

/// <summary>Whole steps of the embedded model, driven by hand as <see cref="EngineCore"/> drives them.</summary>
public sealed class EngineStepTests
{
    const int NumRequests = 8;
    const int BlockSize = 64;

    [Fact]
    public void DecodeStep_AllocatesNothing()
    {
        LoadedEngine engine = EngineLoader.Load(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 256,
            MaxNumSeqs = NumRequests,
            BlockSize = BlockSize,
        }, progress: null);
        using ModelRunner runner = engine.Runner;
        for (int i = 0; i < NumRequests; i++)
        {
            var parameters = new SamplingParams { Temperature = i % 2, TopP = 0.9f, IgnoreEos = true };
            engine.Scheduler.Add(new Request($"{i}", [1, 2, 3 + i], parameters, maxTokens: 100));
        }
        var finished = new List<Request>();
        var tokens = new StepTokens();
        for (int i = 0; i < 50; i++) Step(); // prefill; kernels for each length of a tile are made, lists grow

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) Step(); // ends before the first block is full
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(NumRequests, tokens.Tokens.Count);
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
