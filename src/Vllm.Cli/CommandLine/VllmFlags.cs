namespace Vllm.Cli.CommandLine;

/// <summary>What becomes of a flag of vLLM's that is no option of this program.</summary>
enum FlagFate
{
    /// <summary>Refused, unless it asks for nothing.</summary>
    Unsupported,

    /// <summary>Tunes something that is not here: accepted with a warning.</summary>
    NoEffect,

    /// <summary>Asks for what the program does anyway.</summary>
    IsSo,

    /// <summary>An old spelling of <see cref="VllmFlag.Target"/>.</summary>
    Renamed,

    /// <summary>Dropped by vLLM itself: accepted with a warning.</summary>
    Gone,
}

/// <summary>A flag of vLLM's that is no option of this program.</summary>
/// <param name="Names">With dashes; the first is the main one.</param>
/// <param name="Kind">What follows it.</param>
/// <param name="IsJson">Its value is JSON, so that it has dotted forms.</param>
/// <param name="Fate">What becomes of it.</param>
/// <param name="Values">Values that ask for nothing; for a renamed flag its target.</param>
/// <param name="Group">vLLM's heading in help.</param>
sealed record VllmFlag(
    IReadOnlyList<string> Names, OptionKind Kind, bool IsJson, FlagFate Fate, IReadOnlyList<string> Values,
    string Group)
{
    public string Name => Names[0];

    /// <summary>The spelling of today, which may end in <c>=value</c>.</summary>
    public string Target => Values[0];

    /// <summary>For help.</summary>
    public string Explanation => Fate switch
    {
        FlagFate.Unsupported => Values.Count == 0
            ? "Not supported yet."
            : $"Not supported yet, except {string.Join(", ", Values)}.",
        FlagFate.NoEffect => "Accepted; has no effect here.",
        FlagFate.IsSo => "Accepted; it is so anyway.",
        FlagFate.Renamed => $"Old spelling of {Target}.",
        _ => "Gone from vLLM; accepted without effect.",
    };

    /// <summary>The same as an option that changes nothing. <paramref name="onUse"/> is told of uses that ask for
    /// something.</summary>
    public Option<TArgs> AsOption<TArgs>(Action<VllmFlag> onUse) => new()
    {
        Name = Name,
        Aliases = [.. Names.Skip(1)],
        Group = Group,
        Kind = Kind,
        Metavar = Kind is OptionKind.Switch or OptionKind.Pair ? "" : IsJson ? ValueTypes.JsonMetavar : "VALUE",
        Help = Explanation,
        Show = _ => null,
        Apply = (record, values) =>
        {
            if (!AsksForNothing(values)) onUse(this);
            return record;
        },
    };

    bool AsksForNothing(IReadOnlyList<string> values)
    {
        if (Kind is OptionKind.Switch or OptionKind.Pair) return Values.Contains(values[0] == "true" ? "on" : "off");
        string text = string.Join(' ', values);
        return ValueTypes.IsNone(text) || Values.Any(value => value == text || ValueTypes.AreEqualNumbers(value, text));
    }
}

/// <summary>The table of vllm-flags.txt. Its first lines explain the columns. It is read only when an argument is no
/// option of the program's own.</summary>
static class VllmFlags
{
    /// <summary>The group of the flags that only benchmarks have.</summary>
    const string Benchmarks = "Benchmarks";

    static readonly Lazy<IReadOnlyList<VllmFlag>> Table = new(ReadTable);

    public static IReadOnlyList<VllmFlag> All => Table.Value;

    /// <summary>The flags that vLLM's command of this name may have.</summary>
    /// <param name="command">Benchmarks have more than others.</param>
    /// <param name="options">The command's own: one with an engine takes the engine's flags.</param>
    public static IEnumerable<VllmFlag> Of<TArgs>(string command, IReadOnlyList<Option<TArgs>> options)
    {
        bool hasEngine = options.Any(option => option.Name == "--max-model-len");
        bool isBenchmark = command.StartsWith("bench ", StringComparison.Ordinal);
        return All.Where(flag => flag.Group == Benchmarks ? isBenchmark : hasEngine);
    }

    static List<VllmFlag> ReadTable()
    {
        using Stream stream = typeof(VllmFlags).Assembly.GetManifestResourceStream("vllm-flags.txt")!;
        using var reader = new StreamReader(stream);
        List<VllmFlag> flags = [];
        while (reader.ReadLine() is { } line)
            if (line is not ['#', ..])
                flags.Add(Parse(line.Split('\t')));
        return flags;
    }

    static VllmFlag Parse(string[] columns) => new(
        columns[0].Split(','), KindOf(columns[1]), columns[1] == "json", FateOf(columns[2]),
        columns[3].Split('|', StringSplitOptions.RemoveEmptyEntries), columns[4]);

    static OptionKind KindOf(string text) => text switch
    {
        "value" or "json" => OptionKind.Value,
        "list" => OptionKind.List,
        "optional" => OptionKind.OptionalValue,
        "switch" => OptionKind.Switch,
        "pair" => OptionKind.Pair,
        _ => throw new InvalidDataException($"vllm-flags.txt: kind {text}"),
    };

    static FlagFate FateOf(string text) => text switch
    {
        "unsupported" => FlagFate.Unsupported,
        "no-effect" => FlagFate.NoEffect,
        "is-so" => FlagFate.IsSo,
        "renamed" => FlagFate.Renamed,
        "gone" => FlagFate.Gone,
        _ => throw new InvalidDataException($"vllm-flags.txt: fate {text}"),
    };
}

/// <summary>vLLM's commands that this program does not have.</summary>
static class VllmCommands
{
    static readonly string[] Names =
    [
        "launch", "run-batch", "download-kernels", "preload", "snapshot", "bench startup",
        "bench mm-processor", "bench forward", "bench sweep",
    ];

    public static bool Contains(string name) => Names.Contains(name);
}
