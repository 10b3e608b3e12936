namespace Vllm.Cli.Benchmarks;

/// <summary>Prompts of random token ids.</summary>
static class RandomPrompts
{
    /// <summary>vLLM's bound of the ids: below it every vocabulary has ordinary tokens.</summary>
    const int MaxTokenId = 10_000;

    public static IReadOnlyList<int> Next(Random random, int numTokens, int vocabSize)
    {
        int[] ids = new int[numTokens];
        for (int i = 0; i < numTokens; i++) ids[i] = random.Next(Math.Min(MaxTokenId, vocabSize));
        return ids;
    }
}
