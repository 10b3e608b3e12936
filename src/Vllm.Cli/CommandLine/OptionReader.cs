using System.Globalization;

namespace Vllm.Cli.CommandLine;

/// <summary>Reads arguments into a record by vLLM's (argparse's) rules: <c>-</c> and <c>_</c> are alike in names, a
/// name may
/// be cut where that is unambiguous, <c>--x=v</c> is <c>--x v</c>, of repeated options the last counts, and <c>--</c>
/// ends
/// the options.</summary>
sealed class OptionReader<TArgs>(IReadOnlyList<Option<TArgs>> options, Positional<TArgs>? positional)
{
    /// <exception cref="UsageException">Says which argument is wrong.</exception>
    public TArgs Read(IReadOnlyList<string> arguments, TArgs record)
    {
        bool hasPositional = false;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument == "--" && i + 1 < arguments.Count) argument = arguments[++i];
            else if (IsFlag(argument))
            {
                record = ReadOption(arguments, ref i, record);
                continue;
            }
            if (positional is null || hasPositional) throw new UsageException($"unexpected argument: {argument}");
            record = positional.Apply(record, argument);
            hasPositional = true;
        }
        return record;
    }

    TArgs ReadOption(IReadOnlyList<string> arguments, ref int i, TArgs record)
    {
        string argument = arguments[i];
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string? attached = equals < 0 ? null : argument[(equals + 1)..];
        (Option<TArgs> option, bool isOn) = Find(equals < 0 ? argument : argument[..equals]);
        List<string> values = [];
        if (option.Kind is OptionKind.Switch or OptionKind.Pair)
        {
            if (attached is not null) throw new UsageException($"{option.Name} takes no value, got '{attached}'");
            values.Add(isOn ? "true" : "false");
        }
        else if (attached is not null)
        {
            values.Add(attached);
        }
        else
        {
            int max = option.Kind == OptionKind.List ? int.MaxValue : 1;
            while (values.Count < max && i + 1 < arguments.Count && !IsFlag(arguments[i + 1]))
                values.Add(arguments[++i]);
            if (values.Count == 0) throw new UsageException($"{option.Name} needs a value");
        }
        try
        {
            return option.Apply(record, values);
        }
        catch (UsageException e)
        {
            throw new UsageException($"{option.Name}: {e.Message}");
        }
    }

    (Option<TArgs> Option, bool IsOn) Find(string typed)
    {
        string name = Normalize(typed);
        List<(string Name, Option<TArgs> Option, bool IsOn)> names = [.. options.SelectMany(NamesOf)];
        foreach ((string known, Option<TArgs> option, bool isOn) in names)
            if (known == name)
                return (option, isOn);
        // Before abbreviations, so that a flag of vLLM's is never taken for another one.
        if (VllmFlags.Contains(name)) throw new UsageException($"not supported yet: {name}");

        bool isLong = name.StartsWith("--", StringComparison.Ordinal);
        List<(string Name, Option<TArgs> Option, bool IsOn)> longer =
            [.. names.Where(pair => isLong && pair.Name.StartsWith(name, StringComparison.Ordinal))];
        if (longer.DistinctBy(pair => (pair.Option, pair.IsOn)).Count() == 1) return (longer[0].Option, longer[0].IsOn);
        if (longer.Count > 1)
            throw new UsageException($"{typed} could be {string.Join(", ", longer.Select(pair => pair.Name))}");
        string hint = UsageException.DidYouMean(name, names.Select(pair => pair.Name));
        throw new UsageException($"unknown option: {typed}{hint}");
    }

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

    /// <summary>Negative numbers and texts with spaces are values.</summary>
    static bool IsFlag(string argument) =>
        argument.Length > 1 && argument[0] == '-' && !argument.Split('=')[0].Contains(' ', StringComparison.Ordinal)
        && !double.TryParse(argument, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
}

/// <summary>The argument without a flag; help writes its name in capitals.</summary>
sealed record Positional<TArgs>(string Name, string Help, Func<TArgs, string, TArgs> Apply);

/// <summary>All flags that vLLM's commands know, supported here or not.</summary>
static class VllmFlags
{
    public static bool Contains(string name)
    {
        string stem = name.Split('.')[0];
        using Stream stream = typeof(VllmFlags).Assembly.GetManifestResourceStream("vllm-flags.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
            if (line == stem)
                return true;
        return false;
    }
}
