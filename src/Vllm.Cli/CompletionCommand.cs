using Vllm.Cli.CommandLine;
using Vllm.Cli.Completion;

namespace Vllm.Cli;

/// <summary><c>vllm completion SHELL</c>: a script that completes commands, options and their values.</summary>
static class CompletionCommand
{
    public const string Summary = "Prints a completion script for bash, zsh, fish or powershell.";

    const string Usage = """
        Usage: vllm completion bash|zsh|fish|powershell

        bash:        source <(vllm completion bash)                  in ~/.bashrc
        zsh:         source <(vllm completion zsh)                   in ~/.zshrc, after compinit
        fish:        vllm completion fish | source                   in ~/.config/fish/config.fish
        powershell:  vllm completion powershell | Out-String | Invoke-Expression   in $PROFILE
        """;

    public static int Run(IReadOnlyList<string> arguments, IReadOnlyList<Command> commands)
    {
        Func<IReadOnlyList<Command>, string>? write = arguments is [string shell] ? WriterOf(shell) : null;
        if (write is not null)
        {
            Console.Out.Write(write(commands));
            return 0;
        }
        bool isHelp = arguments is ["-h" or "--help"];
        (isHelp ? Console.Out : Console.Error).WriteLine(Usage);
        return isHelp ? 0 : 2;
    }

    static Func<IReadOnlyList<Command>, string>? WriterOf(string shell) => shell switch
    {
        "bash" => BashScript.Write,
        "zsh" => BashScript.WriteForZsh,
        "fish" => FishScript.Write,
        "powershell" or "pwsh" => PowerShellScript.Write,
        _ => null,
    };
}
