namespace Vllm.Cli.CommandLine;

/// <summary>What a typed flag stands for.</summary>
/// <param name="Option">An option of the program's own, or one made of a <see cref="VllmFlag"/>.</param>
/// <param name="IsOn">False for a spelling that turns a pair off.</param>
/// <param name="Path">What follows the first dot: keys of a JSON value. Null without a dot.</param>
sealed record FoundOption<TArgs>(Option<TArgs> Option, bool IsOn, string? Path);

/// <summary>Finds options by what was typed: <c>-</c> and <c>_</c> are alike up to the first dot, and a name may be cut
/// where that is unambiguous. Own options come first, then vLLM's other flags.</summary>
/// <param name="options">The command's own.</param>
/// <param name="command">The command's name, which says what other flags vLLM has for it.</param>
/// <param name="onUse">Told when a flag that is no option here asks for something.</param>
sealed class OptionNames<TArgs>(IReadOnlyList<Option<TArgs>> options, string command, Action<VllmFlag> onUse)
{
    readonly List<(string Name, Option<TArgs> Option, bool IsOn)> _own = [.. options.SelectMany(NamesOf)];

    /// <summary>The old spelling that <paramref name="typed"/> is, possibly with one value only; null when it is
    /// none.</summary>
    public VllmFlag? FindRenamed(string typed, string? value)
    {
        string name = Normalize(typed);
        if (_own.Exists(known => known.Name == name)) return null;
        return Renamed($"{name}={value}") ?? Renamed(name);
    }

    /// <exception cref="UsageException">There is no such option, or several begin so.</exception>
    public FoundOption<TArgs> Find(string typed)
    {
        string name = Normalize(typed);
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        string stem = dot < 0 ? name : name[..dot];
        (Option<TArgs> option, bool isOn) = FindStem(stem);
        if (dot >= 0 && option.Metavar != ValueTypes.JsonMetavar)
            throw new UsageException($"{option.Name} takes no keys, got '{typed}'");
        return new FoundOption<TArgs>(option, isOn, dot < 0 ? null : name[(dot + 1)..]);
    }

    (Option<TArgs> Option, bool IsOn) FindStem(string stem)
    {
        foreach ((string known, Option<TArgs> option, bool isOn) in _own)
            if (known == stem)
                return (option, isOn);

        List<(string Name, Option<TArgs> Option, bool IsOn)> others =
            [.. VllmFlags.Of(command, options).Select(flag => flag.AsOption<TArgs>(onUse)).SelectMany(NamesOf)];
        foreach ((string known, Option<TArgs> option, bool isOn) in others)
            if (known == stem)
                return (option, isOn);
        return FindByBeginning(stem, [.. _own, .. others]);
    }

    (Option<TArgs> Option, bool IsOn) FindByBeginning(
        string stem, List<(string Name, Option<TArgs> Option, bool IsOn)> names)
    {
        bool isLong = stem.StartsWith("--", StringComparison.Ordinal);
        List<(string Name, Option<TArgs> Option, bool IsOn)> longer =
            [.. names.Where(known => isLong && known.Name.StartsWith(stem, StringComparison.Ordinal))];
        if (longer.DistinctBy(known => (known.Option.Name, known.IsOn)).Count() == 1)
            return (longer[0].Option, longer[0].IsOn);
        if (longer.Count > 1)
            throw new UsageException($"{stem} could be {string.Join(", ", longer.Select(known => known.Name))}");
        string hint = UsageException.DidYouMean(stem, names.Select(known => known.Name));
        throw new UsageException($"unknown option: {stem}{hint}; vllm {command} --help=all lists the options");
    }

    VllmFlag? Renamed(string name) =>
        VllmFlags.Of(command, options).FirstOrDefault(flag => flag.Fate == FlagFate.Renamed && flag.Names.Contains(name));

    static IEnumerable<(string, Option<TArgs>, bool)> NamesOf(Option<TArgs> option) =>
    [
        (option.Name, option, true),
        .. option.Aliases.Select(alias => (alias, option, true)),
        .. option.OffNames.Select(off => (off, option, false)),
    ];

    /// <summary>Dashes for underscores; what follows a dot is a key of a JSON value and keeps its own.</summary>
    static string Normalize(string name)
    {
        if (!name.StartsWith("--", StringComparison.Ordinal)) return name;
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? name.Replace('_', '-') : name[..dot].Replace('_', '-') + name[dot..];
    }
}
