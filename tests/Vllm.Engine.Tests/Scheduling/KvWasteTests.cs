using Vllm.Engine.Requests;
using Vllm.Engine.Scheduling;
using static Vllm.Engine.Tests.Scheduling.Steps;

namespace Vllm.Engine.Tests.Scheduling;

/// <summary>Paging wastes the unfilled part of each request's last block and nothing else, half a block per request on
/// average: with blocks of 16 and requests of some 500 tokens less than 4 % of what is allocated, at any time of a random
/// run with arrivals, ends, chunks and preemptions.</summary>
public class KvWasteTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void BlockTables_WasteLessThanFourPercent(bool enablePrefixCaching)
    {
        const int blockSize = 16, numSteps = 2000;
        var random = new Random(1);
        var scheduler = new Scheduler(new()
        {
            MaxNumSeqs = 64,
            MaxNumBatchedTokens = 2048,
            MaxModelLen = 1000,
            BlockSize = blockSize,
            NumBlocks = 1200,
            EnablePrefixCaching = enablePrefixCaching,
        });
        double worst = 0, sum = 0;
        for (int step = 0; step < numSteps; step++)
        {
            while (scheduler.NumWaiting < 4)
                scheduler.Add(NewRequest(
                    $"{step}.{scheduler.NumWaiting}", random.Next(200, 700), FirstToken(), random.Next(10, 300)));
            SchedulerOutput scheduled = scheduler.Schedule();
            double waste = Waste(scheduler, blockSize);
            Assert.InRange(waste, 0, 0.04);
            worst = Math.Max(worst, waste);
            sum += waste;
            Update(scheduler, scheduled);
        }
        output.WriteLine($"waste {sum / numSteps:P2} on average, {worst:P2} at most; {scheduler.NumPreemptions} preemptions");
        Assert.True(scheduler.NumPreemptions > 0);

        // Every second prompt begins like others.
        int FirstToken() => 1000 * (random.Next(2) == 0 ? random.Next(8) : random.Next(8, 100_000));
    }

    /// <summary>Share of the held slots that hold no token. A shared block counts once.</summary>
    static double Waste(Scheduler scheduler, int blockSize)
    {
        var numFilled = new Dictionary<int, int>(); // of each held block
        foreach (Request request in scheduler.Running)
            for (int i = 0; i < request.BlockTable.Count; i++)
                numFilled[request.BlockTable.Ids.Span[i]] = Math.Min(blockSize, request.NumComputedTokens - i * blockSize);
        return 1 - (double)numFilled.Values.Sum() / (numFilled.Count * blockSize);
    }
}
