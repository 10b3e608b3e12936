using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.Benchmarks;

public sealed class DatasetTests : IDisposable
{
    static readonly PromptTokens Tokens = LocalPromptTokens.Open(
        Directory.GetFiles(Path.Combine(Fixtures.RepositoryRoot, "models"), "*.gguf").Single());

    readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task Random_HasPrefixAndSpread()
    {
        IReadOnlyList<BenchRequest> requests = await new DatasetArguments
        {
            NumPrompts = 300,
            RandomPrefixLen = 16,
            RandomInputLen = 100,
            RandomOutputLen = 10,
            RandomRangeRatio = new(0.125, 0),
        }.SampleAsync(null, new Random(1));

        Assert.Equal(300, requests.Count);
        Assert.All(requests, request => Assert.Equal(
            requests[0].PromptTokenIds.Take(16), request.PromptTokenIds.Take(16)));
        Assert.Equal((103, 129), (requests.Min(x => x.PromptTokenIds.Count), requests.Max(x => x.PromptTokenIds.Count)));
        Assert.All(requests, request => Assert.Equal(10, request.NumOutputTokens));
        Assert.Equal(300, requests.Select(request => string.Join(',', request.PromptTokenIds)).Distinct().Count());
    }

    [Fact]
    public async Task Sample_IsDecidedByTheSeed()
    {
        var arguments = new DatasetArguments { NumPrompts = 3, RandomInputLen = 9 };

        Assert.Equal(
            (await arguments.SampleAsync(null, new Random(1))).SelectMany(request => request.PromptTokenIds),
            (await arguments.SampleAsync(null, new Random(1))).SelectMany(request => request.PromptTokenIds));
    }

    [Fact]
    public async Task PrefixRepetition_SharesPrefixesEqually()
    {
        IReadOnlyList<BenchRequest> requests = await new DatasetArguments
        {
            Name = "prefix_repetition",
            NumPrompts = 11,
            PrefixRepetitionNumPrefixes = 5,
            PrefixRepetitionPrefixLen = 8,
            PrefixRepetitionSuffixLen = 4,
            OutputLen = 3,
        }.SampleAsync(null, new Random(1));

        var groups = requests.GroupBy(request => string.Join(',', request.PromptTokenIds.Take(8)));
        Assert.Equal([2, 2, 2, 2, 2], groups.Select(group => group.Count()));
        Assert.All(requests, request => Assert.Equal((12, 3), (request.PromptTokenIds.Count, request.NumOutputTokens)));
    }

    [Fact]
    public async Task ToText_GivesTheLengthAsked()
    {
        var random = new Random(1);
        int numExact = 0;
        for (int i = 0; i < 20; i++)
        {
            BenchRequest request = await Tokens.ToTextAsync(new(RandomPrompts.Next(random, 50), 1), random);

            IReadOnlyList<int> again = await Tokens.EncodeAsync(request.Text!);
            Assert.Equal(request.PromptTokenIds, again);
            Assert.InRange(again.Count, 48, 52);
            if (again.Count == 50) numExact++;
        }
        Assert.InRange(numExact, 15, 20);
    }

    [Fact]
    public async Task Sonnet_KeepsTheLength()
    {
        await File.WriteAllLinesAsync(_file, Enumerable.Range(0, 60).Select(i => $"Line {i} of a poem about the sea"));

        IReadOnlyList<BenchRequest> requests = await new DatasetArguments
        {
            Name = "sonnet",
            Path = _file,
            NumPrompts = 20,
            SonnetInputLen = 200,
            SonnetPrefixLen = 60,
            SonnetOutputLen = 7,
        }.SampleAsync(Tokens, new Random(1));

        Assert.Equal(20, requests.Count);
        Assert.All(requests, request =>
        {
            Assert.InRange(request.PromptTokenIds.Count, 150, 200);
            Assert.StartsWith("Pick as many lines", request.Text, StringComparison.Ordinal);
            Assert.Contains("Line 0 of a poem", request.Text, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task ShareGpt_LeavesOutWhatIsUnusableAndRepeats()
    {
        await File.WriteAllTextAsync(_file, """
            [{"conversations":[{"value":"What is the capital of France?"},{"value":"Paris is the capital."}]},
             {"conversations":[{"value":"Hi"},{"value":"Hello there my friend"}]}, {"conversations":[]}, {}, 7]
            """);
        var arguments = new DatasetArguments { Path = _file, NumPrompts = 3 };

        IReadOnlyList<BenchRequest> repeated = await arguments.SampleAsync(Tokens, new Random(1));
        IReadOnlyList<BenchRequest> once = await (arguments with { NoOversample = true }).SampleAsync(Tokens, new Random(1));

        Assert.Equal(Enumerable.Repeat("What is the capital of France?", 3), repeated.Select(request => request.Text));
        Assert.Equal(5, Assert.Single(once).NumOutputTokens);
    }

    [Theory]
    [InlineData("{}", "has no prompt")]
    [InlineData("""{"prompt": 5}""", "has no prompt")]
    [InlineData("nonsense", "line 1 is no JSON")]
    [InlineData("", "has no lines")]
    public async Task Custom_NamesABadLine(string line, string message)
    {
        await File.WriteAllTextAsync(_file, line);
        var arguments = new DatasetArguments { Name = "custom", Path = _file };

        UsageException problem = await Assert.ThrowsAsync<UsageException>(
            () => arguments.SampleAsync(null, new Random(1)));

        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Custom_TakesLengthsOfLines()
    {
        await File.WriteAllTextAsync(_file, """
            {"prompt": "one", "output_tokens": 4}

            {"prompt": "two", "output_tokens": 5}
            """);

        IReadOnlyList<BenchRequest> requests = await new DatasetArguments
        {
            Name = "custom",
            Path = _file,
            NumPrompts = 2,
            CustomOutputLen = -1,
            DisableShuffle = true,
        }.SampleAsync(null, new Random(1));

        Assert.Equal([("one", 4), ("two", 5)], requests.Select(request => (request.Text, request.NumOutputTokens)));
    }
}
