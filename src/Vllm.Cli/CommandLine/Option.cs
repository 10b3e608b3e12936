namespace Vllm.Cli.CommandLine;

enum OptionKind
{
    /// <summary>Takes one value.</summary>
    Value,

    /// <summary>Takes one value or more, up to the next flag.</summary>
    List,

    /// <summary>Takes one value, or none, which counts as <c>true</c>.</summary>
    OptionalValue,

    /// <summary>On when it is there; has no off form.</summary>
    Switch,

    /// <summary>A switch with off forms: <c>--x</c> and <c>--no-x</c>, <c>--enable-y</c> and
    /// <c>--disable-y</c>.</summary>
    Pair,
}

/// <summary>The one declaration of an option, of which parsing and help are made.</summary>
/// <typeparam name="TArgs">The record that it sets a property of.</typeparam>
sealed record Option<TArgs>
{
    /// <summary>With dashes: <c>--max-num-seqs</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Other spellings, with dashes.</summary>
    public required IReadOnlyList<string> Aliases { get; init; }

    /// <summary>Heading that help puts it under; vLLM's names.</summary>
    public required string Group { get; init; }

    public required OptionKind Kind { get; init; }

    /// <summary>How help writes the value; empty for switches.</summary>
    public required string Metavar { get; init; }

    public required string Help { get; init; }

    /// <summary>What the record has now, in the form of the command line; null when it has nothing.</summary>
    public required Func<TArgs, string?> Show { get; init; }

    /// <summary>The record with the given values; switches get "true" or "false".</summary>
    public required Func<TArgs, IReadOnlyList<string>, TArgs> Apply { get; init; }

    /// <summary>Spellings that turn a pair off.</summary>
    public IEnumerable<string> OffNames
    {
        get
        {
            if (Kind != OptionKind.Pair) yield break;
            yield return "--no-" + Name[2..];
            const string Enable = "--enable-", Disable = "--disable-";
            if (Name.StartsWith(Enable, StringComparison.Ordinal)) yield return Disable + Name[Enable.Length..];
            if (Name.StartsWith(Disable, StringComparison.Ordinal)) yield return Enable + Name[Disable.Length..];
        }
    }

    public OptionOutline Outline => new([Name, .. Aliases, .. OffNames], Metavar, Help);

    /// <summary>The same option of a record that holds this one's.</summary>
    public Option<TOuter> Within<TOuter>(Func<TOuter, TArgs> get, Func<TOuter, TArgs, TOuter> set) => new()
    {
        Name = Name,
        Aliases = Aliases,
        Group = Group,
        Kind = Kind,
        Metavar = Metavar,
        Help = Help,
        Show = outer => Show(get(outer)),
        Apply = (outer, values) => set(outer, Apply(get(outer), values)),
    };
}

/// <summary>What shell completion needs of an option.</summary>
/// <param name="Names">All spellings; the main one first.</param>
/// <param name="Metavar">Empty for switches.</param>
/// <param name="Help">For people.</param>
sealed record OptionOutline(IReadOnlyList<string> Names, string Metavar, string Help)
{
    /// <summary>The values it may have when there are only a few.</summary>
    public IReadOnlyList<string> Choices => Metavar is ['{', .., '}'] ? Metavar.Trim('{', '}').Split(',') : [];
}

/// <summary>Declares options, group by group.</summary>
sealed class OptionTable<TArgs>
{
    readonly List<Option<TArgs>> _options = [];
    string _group = "Options";

    public IReadOnlyList<Option<TArgs>> Options => _options;

    /// <summary>The heading of the options declared next.</summary>
    public OptionTable<TArgs> Group(string name)
    {
        _group = name;
        return this;
    }

    public OptionTable<TArgs> Value<TValue>(
        string name, ValueType<TValue> type, Func<TArgs, TValue> get, Func<TArgs, TValue, TArgs> set, string help,
        params string[] aliases) =>
        Add(name, aliases, OptionKind.Value, type.Metavar, help,
            args => type.Format(get(args)), (args, values) => set(args, type.Parse(values[0])));

    public OptionTable<TArgs> List<TValue>(
        string name, ValueType<TValue> type, Func<TArgs, IReadOnlyList<TValue>> get,
        Func<TArgs, IReadOnlyList<TValue>, TArgs> set, string help) =>
        Add(name, [], OptionKind.List, $"{type.Metavar} …", help,
            args => get(args) is { Count: > 0 } values ? string.Join(' ', values.Select(type.Format)) : null,
            (args, values) => set(args, [.. values.Select(type.Parse)]));

    public OptionTable<TArgs> Switch(
        string name, Func<TArgs, bool> get, Func<TArgs, bool, TArgs> set, string help, params string[] aliases) =>
        Flag(name, aliases, OptionKind.Switch, get, set, help);

    public OptionTable<TArgs> Pair(string name, Func<TArgs, bool> get, Func<TArgs, bool, TArgs> set, string help) =>
        Flag(name, [], OptionKind.Pair, get, set, help);

    /// <summary>Adds options of a record that <typeparamref name="TArgs"/> holds. Short names that are taken stay with
    /// whom they have.</summary>
    public OptionTable<TArgs> Include<TInner>(
        OptionTable<TInner> inner, Func<TArgs, TInner> get, Func<TArgs, TInner, TArgs> set)
    {
        HashSet<string> taken = [.. _options.SelectMany(option => option.Aliases)];
        foreach (Option<TInner> option in inner.Options)
        {
            Option<TArgs> added = option.Within(get, set);
            if (added.Aliases.Any(taken.Contains))
                added = added with { Aliases = [.. added.Aliases.Where(name => !taken.Contains(name))] };
            _options.Add(added);
        }
        return this;
    }

    OptionTable<TArgs> Flag(
        string name, string[] aliases, OptionKind kind, Func<TArgs, bool> get, Func<TArgs, bool, TArgs> set,
        string help) =>
        Add(name, aliases, kind, "", help,
            args => get(args) ? "on" : "off", (args, values) => set(args, values[0] == "true"));

    OptionTable<TArgs> Add(
        string name, string[] aliases, OptionKind kind, string metavar, string help,
        Func<TArgs, string?> show, Func<TArgs, IReadOnlyList<string>, TArgs> apply)
    {
        _options.Add(new Option<TArgs>
        {
            Name = name,
            Aliases = aliases,
            Group = _group,
            Kind = kind,
            Metavar = metavar,
            Help = help,
            Show = show,
            Apply = apply,
        });
        return this;
    }
}
