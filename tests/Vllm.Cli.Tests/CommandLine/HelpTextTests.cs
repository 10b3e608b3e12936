using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.CommandLine;

public sealed class HelpTextTests
{
    [Fact]
    public void Overview_ShowsOwnOptionsAndNamesTheOthers()
    {
        string help = HelpText.Write(ServeCommand.Command, null);

        Assert.StartsWith("Usage: vllm serve [MODEL] [options]", help, StringComparison.Ordinal);
        Assert.Matches("--port PORT +TCP port; 0 = any free one. \\(default: 8000\\)", help);
        Assert.Matches("CacheConfig +--block-size", help);
        Assert.DoesNotContain("Tokens per KV block", help, StringComparison.Ordinal);
    }

    [Fact]
    public void All_ShowsEveryOptionWithinTheWidth()
    {
        string help = HelpText.Write(ServeCommand.Command, "all");

        foreach (Option<ServeArguments> option in ServeCommand.Command.Options)
            Assert.Contains(option.Name[2..], help, StringComparison.Ordinal);
        Assert.All(help.Split('\n'), line => Assert.InRange(line.Length, 0, 100));
    }

    [Theory]
    [InlineData("cacheconfig", "--block-size", "--max-num-seqs")]
    [InlineData("max-num-seqs", "--max-num-seqs N", "--max-num-batched-tokens")]
    [InlineData("--max_num", "--max-num-batched-tokens", "--block-size")]
    [InlineData("prefix", "--[no-]enable-prefix-caching", "--block-size")]
    [InlineData("parallelconfig", "--tensor-parallel-size, -tp", "--block-size")]
    [InlineData("num-scheduler", "Gone from vLLM", "--max-num-seqs")]
    public void Topic_ShowsAGroupOrPartsOfNames(string topic, string expected, string unexpected)
    {
        string help = HelpText.Write(ServeCommand.Command, topic);

        Assert.Contains(expected, help, StringComparison.Ordinal);
        Assert.DoesNotContain(unexpected, help, StringComparison.Ordinal);
    }

    [Fact]
    public void Topic_MustBeKnown() =>
        Assert.Throws<UsageException>(() => HelpText.Write(ServeCommand.Command, "nonsense"));

    [Fact]
    public void Defaults_AreTheCommands()
    {
        string help = HelpText.Write(BenchLatencyCommand.Command, "enable-prefix-caching");

        Assert.Contains("(default: off)", help, StringComparison.Ordinal);
    }
}
