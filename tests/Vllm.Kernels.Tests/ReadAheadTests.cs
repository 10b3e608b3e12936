using Vllm.Kernels.Cpu;

namespace Vllm.Tests;

public class ReadAheadTests
{
    [Fact]
    public void End_DealsRangesOutInTurn()
    {
        using var readAhead = new ReadAhead(2);
        AssertAtEnd(true, true);

        readAhead.TryAdd(1000, 100);
        readAhead.End();
        AssertAtEnd(false, true);

        readAhead.TryAdd(2000, 100);
        readAhead.End();
        AssertAtEnd(false, false);

        readAhead.Begin();
        readAhead.End();
        AssertAtEnd(true, true);

        void AssertAtEnd(bool first, bool second)
        {
            Assert.Equal(first, readAhead.IsAtEnd(0));
            Assert.Equal(second, readAhead.IsAtEnd(1));
        }
    }

    [Theory]
    [InlineData(1 << 20, 8)]
    [InlineData(64, 4096)]
    public void TryAdd_RefusesMoreThanFits(int numBytes, int numRanges)
    {
        using var readAhead = new ReadAhead(1);
        for (int i = 0; i < numRanges; i++) Assert.True(readAhead.TryAdd(1000, numBytes));

        Assert.False(readAhead.TryAdd(1000, numBytes));
    }
}
