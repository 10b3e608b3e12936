using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.Threading;

public class WorkerTeamTests
{
    public static TheoryData<int> TeamSizes => [1, 2, 3, 5, 16];

    [Theory, MemberData(nameof(TeamSizes))]
    public void ParallelFor_RunsEachIndexOnce(int numWorkers)
    {
        using var team = new WorkerTeam(numWorkers);

        foreach (int num in new[] { 0, 1, 2, 7, 100 })
        {
            int[] counts = new int[num];
            team.ParallelFor(num, i => Interlocked.Increment(ref counts[i]));
            Assert.All(counts, count => Assert.Equal(1, count));
        }
    }

    [Theory, MemberData(nameof(TeamSizes))]
    public void Run_SurvivesManyRuns(int numWorkers)
    {
        using var team = new WorkerTeam(numWorkers);
        int[] counts = new int[numWorkers];
        Action<int> body = worker => counts[worker]++;
        int numRuns = numWorkers <= Environment.ProcessorCount ? 100_000 : 2_000;

        team.BeginStep();
        for (int run = 0; run < numRuns; run++)
        {
            team.ParallelFor(numWorkers, body);
            if (run % 10_000 == 5) team.BeginStep();
        }

        Assert.All(counts, count => Assert.Equal(numRuns, count));
    }

    [Fact]
    public void ParallelFor_AllocatesNothing()
    {
        using var team = new WorkerTeam(2);
        Action<int> body = _ => { };
        team.ParallelFor(2, body);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int run = 0; run < 100; run++) team.ParallelFor(2, body);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory, MemberData(nameof(TeamSizes))]
    public void ParallelFor_ThrowsWhatABodyThrew(int numWorkers)
    {
        using var team = new WorkerTeam(numWorkers);

        for (int thrower = 0; thrower < numWorkers; thrower++)
        {
            int failing = thrower;
            var thrown = Assert.Throws<InvalidDataException>(() => team.ParallelFor(numWorkers, i =>
            {
                if (i == failing) throw new InvalidDataException($"body {i}");
            }));
            Assert.Equal($"body {failing}", thrown.Message);
        }

        int count = 0;
        team.ParallelFor(numWorkers, _ => Interlocked.Increment(ref count));
        Assert.Equal(numWorkers, count);
    }

    [Fact]
    public void ParallelFor_InsideABody_Throws()
    {
        using var team = new WorkerTeam(2);

        Assert.Throws<InvalidOperationException>(() => team.ParallelFor(2, _ => team.ParallelFor(2, _ => { })));
    }

    [Theory, MemberData(nameof(TeamSizes))]
    public void Barrier_SeparatesPhases(int numWorkers)
    {
        using var team = new WorkerTeam(numWorkers);
        int numRounds = numWorkers <= Environment.ProcessorCount ? 20_000 : 200;
        int[] round = new int[numWorkers];
        int numErrors = 0;

        team.ParallelFor(numWorkers, worker =>
        {
            for (int i = 1; i <= numRounds; i++)
            {
                round[worker] = i;
                team.Barrier(worker);
                foreach (int other in round)
                    if (other != i) Interlocked.Increment(ref numErrors);
                team.Barrier(worker);
            }
        });

        Assert.Equal(0, numErrors);
    }

    [Fact]
    public void Barrier_WhenAWorkerThrows_LetsTheOthersPass()
    {
        using var team = new WorkerTeam(3);

        for (int i = 0; i < 3; i++)
        {
            Assert.Throws<InvalidDataException>(() => team.ParallelFor(3, worker =>
            {
                if (worker == 1) throw new InvalidDataException();
                for (int round = 0; round < 10; round++) team.Barrier(worker);
            }));
            team.ParallelFor(3, worker => team.Barrier(worker));
        }
    }

    [Theory]
    [InlineData("0-2,5", new[] { 0, 1, 2, 5 })]
    [InlineData("7", new[] { 7 })]
    [InlineData("", new int[0])]
    public void ParseList_ExpandsRanges(string list, int[] expected) =>
        Assert.Equal(expected, Topology.ParseList(list));

    [Fact]
    public void CountCores_CountsSiblingsOnce()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        for (int cpu = 0; cpu < 8; cpu++)
        {
            string topology = Directory.CreateDirectory(Path.Combine(folder, $"cpu{cpu}", "topology")).FullName;
            File.WriteAllText(Path.Combine(topology, "thread_siblings_list"), $"{cpu % 4},{cpu % 4 + 4}\n");
        }

        string status = Path.Combine(folder, "status");
        File.WriteAllText(status, "Name:\tx\nCpus_allowed_list:\t0-1,4-6\n");
        Assert.Equal(3, Topology.CountCores(folder, status));

        Directory.Delete(folder, true);
    }
}
