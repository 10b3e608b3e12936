namespace Vllm.Cli.CommandLine;

/// <summary>What every command's arguments hold.</summary>
abstract record CommandArguments
{
    /// <summary>Options of the engine that the command starts; an empty model stands for the embedded one.</summary>
    public EngineOptions Engine { get; init; } = new() { Model = "" };

    public LogLevel LogLevel { get; init; } = Log.DefaultLevel();
}

/// <summary>A command of the program.</summary>
/// <param name="Name">One word or two: <c>bench latency</c>.</param>
/// <param name="Summary">One sentence for help.</param>
abstract record Command(string Name, string Summary)
{
    /// <summary>The process's exit code: 0, 1 for failures, 2 for a wrong command line.</summary>
    public abstract Task<int> RunAsync(IReadOnlyList<string> arguments);
}

/// <summary>A command with its declaration.</summary>
/// <param name="Name">One word or two.</param>
/// <param name="Summary">One sentence for help.</param>
/// <param name="Defaults">The arguments of an empty command line.</param>
/// <param name="Options">The first group is the command's own.</param>
/// <param name="Run">The work; returns the exit code.</param>
/// <param name="Positional">The argument without a flag, if there is one.</param>
sealed record Command<TArgs>(
    string Name, string Summary, TArgs Defaults, IReadOnlyList<Option<TArgs>> Options, Func<TArgs, Task<int>> Run,
    Positional<TArgs>? Positional = null)
    : Command(Name, Summary) where TArgs : CommandArguments
{
    const int Failure = 1;
    const int WrongUsage = 2;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        TArgs record = Defaults;
        try
        {
            if (arguments.TakeWhile(argument => argument != "--").FirstOrDefault(IsHelp) is { } help)
            {
                int equals = help.IndexOf('=', StringComparison.Ordinal);
                Console.Out.Write(HelpText.Write(this, equals < 0 ? null : help[(equals + 1)..]));
                return 0;
            }
            record = Read(arguments);
            return await Run(record);
        }
        catch (UsageException e)
        {
            Console.Error.WriteLine($"vllm {Name}: {e.Message}");
            return WrongUsage;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(record.LogLevel == LogLevel.Debug ? $"{e}" : $"vllm {Name}: {e.Message}");
            return Failure;
        }
    }

    /// <exception cref="UsageException">The arguments are wrong, each by itself or together.</exception>
    public TArgs Read(IReadOnlyList<string> arguments)
    {
        TArgs record = new OptionReader<TArgs>(Options, Positional).Read(arguments, Defaults);
        IReadOnlyList<string> problems = record.Engine.Validate();
        return problems.Count == 0 ? record : throw new UsageException(string.Join(" ", problems));
    }

    static bool IsHelp(string argument) =>
        argument is "-h" or "--help" || argument.StartsWith("--help=", StringComparison.Ordinal);
}
