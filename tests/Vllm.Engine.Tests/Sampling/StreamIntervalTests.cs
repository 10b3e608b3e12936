namespace Vllm.Tests.Sampling;

/// <summary>How many tokens the outputs of a stream bring.</summary>
public sealed class StreamIntervalTests
{
    const int NumTokens = 11;
    const int Interval = 4;

    [Theory]
    [InlineData(OutputKind.Delta)]
    [InlineData(OutputKind.Cumulative)]
    public async Task Outputs_WaitForEnoughTokens(OutputKind kind)
    {
        await using AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 256,
            MaxNumSeqs = 8,
        });
        var parameters = new SamplingParams
        {
            N = 2,
            Temperature = 1,
            Seed = 1,
            IgnoreEos = true,
            MaxTokens = NumTokens,
            StreamInterval = Interval,
            OutputKind = kind,
        };
        int[] numSeen = [0, 0];
        await foreach (RequestOutput output in engine.Generate("0", [1, 2, 3], parameters))
        {
            foreach (CompletionOutput answer in output.Outputs)
            {
                int numNew = answer.TokenIds.Count - (kind == OutputKind.Delta ? 0 : numSeen[answer.Index]);
                Assert.True(numNew >= Interval || numSeen[answer.Index] == 0 || answer.FinishReason is not null);
                numSeen[answer.Index] += numNew;
            }
        }

        Assert.Equal([NumTokens, NumTokens], numSeen);
    }
}
