namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>One request of a benchmark.</summary>
/// <param name="PromptTokenIds">The prompt; empty when only its text is known.</param>
/// <param name="NumOutputTokens">Tokens to generate.</param>
sealed record BenchRequest(IReadOnlyList<int> PromptTokenIds, int NumOutputTokens)
{
    /// <summary>The prompt as the data set has it; null when it is token ids from the start.</summary>
    public string? Text { get; init; }
}
