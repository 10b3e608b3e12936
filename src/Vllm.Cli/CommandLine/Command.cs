namespace Vllm.Cli.CommandLine;

/// <summary>What every command's arguments hold.</summary>
abstract record CommandArguments
{
    /// <summary>Options of the engine that the command starts; an empty model stands for the embedded one.</summary>
    public EngineOptions Engine { get; init; } = new() { Model = "" };

    public LogLevel LogLevel { get; init; } = LogLevel.Info;

    public LoggingConfig LoggingConfig { get; init; } = new();

    /// <summary>The YAML file that further options were read from.</summary>
    public string? Config { get; init; }

    /// <summary>An unknown VLLM_ variable is an error.</summary>
    public bool FailOnEnvironValidation { get; init; }

    public LogLevel EffectiveLogLevel => LoggingConfig.Level ?? LogLevel;

    /// <summary>The program's log, on standard output as in vLLM.</summary>
    public Log OpenLog() => new(EffectiveLogLevel, LoggingConfig.IsJson);

    /// <summary>For messages that must not mix with a command's results.</summary>
    public Log OpenErrorLog() => new(EffectiveLogLevel, LoggingConfig.IsJson, Console.Error);
}

/// <summary>A command of the program.</summary>
/// <param name="Name">One word or two: <c>bench latency</c>.</param>
/// <param name="Summary">One sentence for help.</param>
abstract record Command(string Name, string Summary)
{
    /// <summary>For shell completion.</summary>
    public abstract IEnumerable<OptionOutline> Outline { get; }

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
            List<string> warnings = [];
            record = Read(arguments, warnings);
            if (warnings.Count > 0) Warn(record.OpenErrorLog(), warnings);
            return await Run(record);
        }
        catch (UsageException e)
        {
            Console.Error.WriteLine($"vllm {Name}: {e.Message}");
            return WrongUsage;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(record.EffectiveLogLevel == LogLevel.Debug ? $"{e}" : $"vllm {Name}: {e.Message}");
            return Failure;
        }
    }

    public override IEnumerable<OptionOutline> Outline => Options.Select(option => option.Outline);

    /// <summary>Reads, each beating the one before: (1) environment variables; (2) the file of <c>--config</c>; (3) the
    /// arguments.</summary>
    /// <param name="arguments">What follows the command's name.</param>
    /// <param name="warnings">Gets what the user should know.</param>
    /// <param name="environment">In place of the process's own, for tests.</param>
    /// <exception cref="UsageException">The arguments are wrong, each by itself or together.</exception>
    public TArgs Read(
        IReadOnlyList<string> arguments, List<string>? warnings = null,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        environment ??= EnvironmentVariables.OfProcess();
        var reader = new OptionReader<TArgs>(Options, Positional, Name);
        TArgs record = reader.Read(EnvironmentVariables.Settings(environment, IsOption), Defaults);   // (1)
        if (IsOption(ConfigFile.Flag) && ConfigFile.NamedIn(arguments) is { } file)
            record = reader.Read(ConfigFile.Read(file, reader.Find), record);                         // (2)
        record = reader.Read(arguments, record);                                                      // (3)

        string[] problems = [.. EnvironmentVariables.Problems(environment)];
        if (record.FailOnEnvironValidation && problems.Length > 0) throw new UsageException(string.Join(" ", problems));
        warnings?.AddRange([.. reader.Warnings, .. problems, .. EnvironmentVariables.Remarks(environment)]);
        IReadOnlyList<string> contradictions = record.Engine.Validate();
        return contradictions.Count == 0 ? record : throw new UsageException(string.Join(" ", contradictions));
    }

    bool IsOption(string name) => Options.Any(option => option.Name == name);

    static void Warn(Log log, IEnumerable<string> warnings)
    {
        foreach (string warning in warnings) log.Warning(warning);
    }

    static bool IsHelp(string argument) =>
        argument is "-h" or "--help" || argument.StartsWith("--help=", StringComparison.Ordinal);
}
