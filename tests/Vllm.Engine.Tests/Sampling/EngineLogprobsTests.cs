namespace Vllm.Tests.Sampling;

/// <summary>What requests get as log-probabilities from a whole engine.</summary>
public sealed class EngineLogprobsTests
{
    static readonly int[] Prompt = [10, 20, 30, 40];

    static readonly SamplingParams TwoTokens = new() { AllowedTokenIds = [100, 200], MaxTokens = 2, Logprobs = 2, PromptLogprobs = 0 };

    static RequestOutput Run(LogprobsMode mode, SamplingParams parameters)
    {
        using var llm = new LLM(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            MaxModelLen = 256,
            MaxNumSeqs = 4,
            LogprobsMode = mode,
        });
        return llm.Generate([Prompt], parameters)[0];
    }

    static double Sum(TokenLogprobs position) =>
        position.Entries.Where(entry => TwoTokens.AllowedTokenIds!.Contains(entry.TokenId)).Sum(entry => Math.Exp(entry.Logprob));

    [Fact]
    public void ProcessedMode_CountsWhatMayBeChosen()
    {
        RequestOutput processed = Run(LogprobsMode.ProcessedLogprobs, TwoTokens);
        RequestOutput raw = Run(LogprobsMode.RawLogprobs, TwoTokens);

        Assert.All(processed.Outputs[0].Logprobs!, position => Assert.Equal(1, Sum(position), 1e-5));
        Assert.All(raw.Outputs[0].Logprobs!, position => Assert.InRange(Sum(position), 0, 0.5));
        Assert.Equal( // of the prompt always raw
            raw.PromptLogprobs!.Select(position => position?.Token), processed.PromptLogprobs!.Select(position => position?.Token));
    }

    [Fact]
    public void LogprobTokenIds_AreReported()
    {
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 2, LogprobTokenIds = [7, 9] };

        CompletionOutput output = Run(LogprobsMode.RawLogprobs, parameters).Outputs[0];

        for (int i = 0; i < 2; i++)
            Assert.Equal([output.TokenIds[i], 7, 9], output.Logprobs![i].Entries.Select(entry => entry.TokenId));
    }
}
