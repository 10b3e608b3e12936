namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>Prompts of random token ids.</summary>
static class RandomPrompts
{
    /// <summary>vLLM's bound of the ids: below it every vocabulary has ordinary tokens.</summary>
    const int MaxTokenId = 10_000;

    public static int[] Next(Random random, int numTokens, int vocabSize = MaxTokenId)
    {
        int[] ids = new int[numTokens];
        for (int i = 0; i < numTokens; i++) ids[i] = random.Next(Math.Min(MaxTokenId, vocabSize));
        return ids;
    }
}

/// <summary>Requests of random tokens behind a prefix that all share, lengths spread around their means.</summary>
/// <param name="InputLen">Mean tokens of a prompt without the prefix.</param>
/// <param name="OutputLen">Mean tokens to generate.</param>
/// <param name="PrefixLen">Tokens of the prefix.</param>
/// <param name="InputSpread">Lengths are from (1 - spread) to (1 + spread) times the mean.</param>
/// <param name="OutputSpread">The same for the tokens to generate.</param>
sealed record RandomDataset(int InputLen, int OutputLen, int PrefixLen, double InputSpread, double OutputSpread)
{
    public IReadOnlyList<BenchRequest> Sample(int numPrompts, Random random, int vocabSize = int.MaxValue)
    {
        int[] prefix = RandomPrompts.Next(random, PrefixLen, vocabSize);
        return [.. Enumerable.Range(0, numPrompts).Select(_ =>
        {
            int inputLen = Draw(InputLen, InputSpread, random);
            int outputLen = Draw(OutputLen, OutputSpread, random);
            return new BenchRequest([.. prefix, .. RandomPrompts.Next(random, inputLen, vocabSize)], outputLen);
        })];
    }

    static int Draw(int mean, double spread, Random random) => random.Next(
        Math.Max(1, (int)Math.Floor(mean * (1 - spread))), (int)Math.Ceiling(mean * (1 + spread)) + 1);
}

/// <summary>A few random prefixes, each followed by many random suffixes: what a prefix cache is good for.</summary>
/// <param name="PrefixLen">Tokens of a prefix.</param>
/// <param name="SuffixLen">Tokens that are a request's own.</param>
/// <param name="NumPrefixes">Prefixes.</param>
/// <param name="OutputLen">Tokens to generate.</param>
sealed record PrefixRepetition(int PrefixLen, int SuffixLen, int NumPrefixes, int OutputLen)
{
    /// <summary>As many requests for each prefix as are whole; prefix by prefix.</summary>
    public BenchRequest[] Sample(int numPrompts, Random random, int vocabSize = int.MaxValue)
    {
        var requests = new List<BenchRequest>();
        for (int i = 0; i < NumPrefixes; i++)
        {
            int[] prefix = RandomPrompts.Next(random, PrefixLen, vocabSize);
            for (int j = 0; j < numPrompts / NumPrefixes; j++)
                requests.Add(new([.. prefix, .. RandomPrompts.Next(random, SuffixLen, vocabSize)], OutputLen));
        }
        return [.. requests];
    }
}
