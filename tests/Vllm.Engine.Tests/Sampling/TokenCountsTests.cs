using Vllm.Engine.Sampling;

namespace Vllm.Tests.Sampling;

public class TokenCountsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Update_EqualsACountFromScratch(int seed)
    {
        var random = new Random(seed);
        List<int> tokens = [.. Enumerable.Range(0, 500).Select(_ => random.Next(2000))];
        int numPrompt = random.Next(400);
        var counts = new TokenCounts();
        while (tokens.Count < 3000)
        {
            counts.Update([.. tokens], numPrompt);

            Assert.Equal(tokens.Distinct(), counts.TokenIds.ToArray());
            Dictionary<int, int> expected = tokens.Skip(numPrompt).CountBy(t => t).ToDictionary();
            for (int i = 0; i < counts.TokenIds.Length; i++)
                Assert.Equal(expected.GetValueOrDefault(counts.TokenIds[i]), counts.OutputCounts[i]);

            tokens.AddRange(Enumerable.Range(0, random.Next(60)).Select(_ => random.Next(2000)));
        }
    }
}
