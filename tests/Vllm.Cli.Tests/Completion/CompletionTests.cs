using System.Diagnostics;
using Vllm.Cli;
using Vllm.Cli.CommandLine;
using Vllm.Cli.Completion;

namespace Vllm.Tests.Completion;

public sealed class CompletionTests
{
    static readonly Command[] Commands = [ServeCommand.Command, ChatCommand.Command, BenchLatencyCommand.Command];

    [Theory]
    [InlineData("serve --max-num-se", "--max-num-seqs")]
    [InlineData("serve --scheduling-policy ", "fcfs priority")]
    [InlineData("bench l", "latency")]
    [InlineData("bench latency --inp", "--input-len")]
    [InlineData("completion f", "fish")]
    [InlineData("c", "chat completion")]
    [InlineData("", "serve chat bench completion")]
    public async Task Bash_Completes(string typed, string expected)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs bash");
        string[] words = ["vllm", .. typed.Split(' ')];
        string list = string.Join(' ', words.Select(word => $"'{word}'"));
        string script = BashScript.Write(Commands)
            + $"COMP_WORDS=({list}); COMP_CWORD={words.Length - 1}; _vllm; echo \"${{COMPREPLY[*]}}\"";

        using var bash = Process.Start(new ProcessStartInfo("bash", ["--norc", "-s"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        await bash.StandardInput.WriteAsync(script);
        bash.StandardInput.Close();

        Assert.Equal(expected, (await bash.StandardOutput.ReadToEndAsync()).Trim());
    }

    [Fact]
    public void Scripts_HaveEveryOptionInSafeQuotes()
    {
        string fish = FishScript.Write(Commands);
        string powerShell = PowerShellScript.Write(Commands);
        foreach (string name in ServeCommand.Command.Options.Select(option => option.Name))
        {
            Assert.Contains($" -l {name[2..]} ", fish, StringComparison.Ordinal);
            Assert.Contains($"'{name}'", powerShell, StringComparison.Ordinal);
        }
        // An odd number of quotes that are not escaped would open a text over the lines that follow.
        Assert.All(fish.Split('\n'), line => Assert.Equal(0, line.Replace("\\'", "").Count(c => c == '\'') % 2));
    }
}
