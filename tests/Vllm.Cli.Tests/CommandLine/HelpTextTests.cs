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
        Assert.Contains("--port PORT                       TCP port; 0 = any free one. (default: 8000)", help, StringComparison.Ordinal);
        Assert.Contains("CacheConfig                       --block-size", help, StringComparison.Ordinal);
        Assert.DoesNotContain("Tokens per KV block", help, StringComparison.Ordinal);
    }

    [Fact]
    public void All_ShowsEveryOptionWithinTheWidth()
    {
        string help = HelpText.Write(ServeCommand.Command, "all");

        foreach (Option<ServeArguments> option in ServeCommand.Command.Options)
            Assert.Contains(option.Name[2..], help, StringComparison.Ordinal);
        Assert.All(help.Split('\n'), line => Assert.True(line.TrimEnd().Length <= 100 || line.Contains('{', StringComparison.Ordinal), line));
    }

    [Theory]
    [InlineData("cacheconfig", "--block-size", "--max-num-seqs")]
    [InlineData("max-num-seqs", "--max-num-seqs N", "--max-num-batched-tokens")]
    [InlineData("--max_num", "--max-num-batched-tokens", "--block-size")]
    [InlineData("prefix", "--[no-]enable-prefix-caching", "--block-size")]
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
    public void Defaults_AreTheCommands() =>
        Assert.Contains("(default: off)", HelpText.Write(BenchLatencyCommand.Command, "enable-prefix-caching"), StringComparison.Ordinal);
}
