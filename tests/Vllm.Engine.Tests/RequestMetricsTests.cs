using Vllm.Engine.Metrics;
using Vllm.Engine.Requests;
using Vllm.Tests;

namespace Vllm.Engine.Tests;

/// <summary>What the metrics say of a request is what its reader saw.</summary>
public sealed class RequestMetricsTests
{
    static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 20, IgnoreEos = true };

    [Fact]
    public async Task StopString_CountsItsTokensAndItsReason()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options());
        RequestOutput whole = await RunAsync(engine, Greedy);
        // A text from the middle of the answer, whatever it says.
        string text = whole.Outputs[0].Text;
        string stop = text[(text.Length / 2)..(text.Length / 2 + 5)];
        long tokensBefore = engine.Metrics.NumGenerationTokens;

        CompletionOutput stopped = (await RunAsync(engine, Greedy with { Stop = [stop] })).Outputs[0];

        Assert.Equal(stop, stopped.StopString);
        Assert.InRange(stopped.TokenIds.Count, 1, 19);
        Assert.Equal(tokensBefore + stopped.TokenIds.Count, engine.Metrics.NumGenerationTokens);
        Assert.Equal(1, engine.Metrics.NumFinished(FinishReason.Stop));
        Assert.Equal(1, engine.Metrics.NumFinished(FinishReason.Length));
    }

    [Fact]
    public async Task LastOutput_SaysHowLongTheStagesTook()
    {
        await using AsyncLLM engine = AsyncLLM.Create(Options());
        RequestMetrics? metrics = (await RunAsync(engine, Greedy)).Outputs[0].Metrics;

        Assert.NotNull(metrics);
        Assert.Equal(20, metrics.NumGenerationTokens);
        Assert.True(metrics.QueueTime >= TimeSpan.Zero);
        Assert.True(metrics.PrefillTime > TimeSpan.Zero);
        Assert.True(metrics.DecodeTime > TimeSpan.Zero);
        Assert.Equal(metrics.DecodeTime.TotalSeconds, engine.Metrics.DecodeTime.Sum, tolerance: 1e-6);
        Assert.Equal(metrics.TimeToFirstToken.TotalSeconds, engine.Metrics.TimeToFirstToken.Sum, tolerance: 1e-6);
    }

    static EngineOptions Options() => new()
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        MaxModelLen = 128,
        MaxNumSeqs = 4,
    };

    static async Task<RequestOutput> RunAsync(AsyncLLM engine, SamplingParams parameters)
    {
        RequestOutput? last = null;
        int[] prompt = engine.Tokenizer.Encode("The capital of France is");
        await foreach (RequestOutput output in engine.Generate(Guid.NewGuid().ToString(), prompt, parameters)) last = output;
        return last!;
    }
}
