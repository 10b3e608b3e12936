using Vllm.Kernels.Cpu.MatMul;

namespace Vllm.Tests.MatMul;

public class PartitionTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 18, 2)]
    [InlineData(1, 2, 5)]
    [InlineData(130, 3, 4)]
    [InlineData(512, 18, 16)]
    [InlineData(13, 1, 2)]
    [InlineData(100, 0, 3)]
    public void Of_CoversEachRowAndPanelOnce(int numRows, int numPanels, int numWorkers)
    {
        int[,] counts = new int[numRows, numPanels];
        for (int worker = 0; worker < numWorkers; worker++)
        {
            var partition = Partition.Of(numRows, numPanels, worker, numWorkers);
            for (int row = partition.FirstRow; row < partition.EndRow; row++)
                for (int panel = partition.FirstPanel; panel < partition.EndPanel; panel++)
                    counts[row, panel]++;
        }

        Assert.All(counts.Cast<int>(), count => Assert.Equal(1, count));
    }

    [Fact]
    public void Of_FewPanels_SplitsRowsToo()
    {
        const int NumRows = 512, NumPanels = 18, NumWorkers = 16;

        int largest = Enumerable.Range(0, NumWorkers)
            .Select(worker => Partition.Of(NumRows, NumPanels, worker, NumWorkers))
            .Max(share => (share.EndRow - share.FirstRow) * share.NumPanels);

        Assert.InRange(largest, 0, NumRows * NumPanels * 1.15 / NumWorkers);
    }
}
