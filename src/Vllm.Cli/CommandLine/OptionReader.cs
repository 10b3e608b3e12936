using System.Globalization;

namespace Vllm.Cli.CommandLine;

/// <summary>A setting from elsewhere than the command line.</summary>
/// <param name="Name">With dashes, in any spelling of the command line.</param>
/// <param name="Values">What follows; <c>true</c> or <c>false</c> for a switch.</param>
/// <param name="Source">Whom an error names: a file's key, a variable.</param>
readonly record struct Setting(string Name, IReadOnlyList<string> Values, string Source);

/// <summary>Reads arguments into a record by vLLM's (argparse's) rules: names as in <see cref="OptionNames{TArgs}"/>,
/// <c>--x=v</c> is <c>--x v</c>, <c>--x.key v</c> is a key of a JSON value, of repeated options the last counts, and
/// <c>--</c> ends the options.</summary>
sealed class OptionReader<TArgs>
{
    readonly Positional<TArgs>? _positional;
    readonly OptionNames<TArgs> _names;
    readonly DottedValues<TArgs> _dotted = new();
    readonly HashSet<string> _seen = [];
    readonly List<string> _warnings = [];
    readonly List<string> _unsupported = [];
    readonly List<string> _withoutEffect = [];
    List<string> _arguments = [];
    int _next;

    public OptionReader(IReadOnlyList<Option<TArgs>> options, Positional<TArgs>? positional, string command = "")
    {
        _positional = positional;
        _names = new OptionNames<TArgs>(options, command, NoteUse);
    }

    /// <summary>What the user should know of all that was read.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <exception cref="UsageException">Says which argument is wrong.</exception>
    public TArgs Read(IReadOnlyList<string> arguments, TArgs record)
    {
        _arguments = [.. arguments];
        _next = 0;
        bool hasPositional = false;
        while (_next < _arguments.Count)
        {
            string argument = _arguments[_next];
            if (argument == "--" && _next + 1 < _arguments.Count)
            {
                argument = _arguments[++_next];
            }
            else if (IsFlag(argument))
            {
                record = ReadOption(record);
                continue;
            }
            if (_positional is null || hasPositional) throw new UsageException($"unexpected argument: {argument}");
            record = _positional.Apply(record, argument);
            hasPositional = true;
            _next++;
        }
        return Finish(record);
    }

    /// <exception cref="UsageException">Says which setting is wrong.</exception>
    public TArgs Read(IEnumerable<Setting> settings, TArgs record)
    {
        foreach (Setting setting in settings)
        {
            try
            {
                record = Apply(record, setting);
            }
            catch (UsageException e)
            {
                throw new UsageException($"{setting.Source}: {e.Message}");
            }
        }
        return Finish(record);
    }

    /// <summary>The option of a name, for those who have to know what values it takes.</summary>
    public Option<TArgs> Find(string name) => _names.Find(Today(name)).Option;

    TArgs ReadOption(TArgs record)
    {
        string argument = _arguments[_next++];
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string typed = equals < 0 ? argument : argument[..equals];
        string? attached = equals < 0 ? null : argument[(equals + 1)..];
        if (argument is ['-', 'O', >= '0' and <= '9']) (typed, attached) = ("-O", argument[2..]);

        string? value = attached ?? (HasValue ? _arguments[_next] : null);
        if (_names.FindRenamed(typed, value) is { } old)
        {
            WarnOfOldSpelling(old);
            // A target with a value stands for all; one that the old flag was looked up with goes with it.
            if (old.Name.Contains('=', StringComparison.Ordinal) && attached is null) _next++;
            bool isWhole = old.Target.Contains('=', StringComparison.Ordinal);
            _arguments[--_next] = isWhole || attached is null ? old.Target : $"{old.Target}={attached}";
            return ReadOption(record);
        }

        FoundOption<TArgs> found = _names.Find(typed);
        Note(found);
        if (_positional?.Flag == found.Option.Name)
            _warnings.Add($"Give the model as the first argument instead of with {found.Option.Name}.");
        return Apply(record, found, ReadValues(found, attached));
    }

    bool HasValue => _next < _arguments.Count && !IsFlag(_arguments[_next]);

    List<string> ReadValues(FoundOption<TArgs> found, string? attached)
    {
        Option<TArgs> option = found.Option;
        if (option.Kind is OptionKind.Switch or OptionKind.Pair)
        {
            if (attached is null) return [found.IsOn ? "true" : "false"];
            // What vLLM took when its switches had values.
            if (option.Kind == OptionKind.Pair && bool.TryParse(attached, out bool isOn))
                return [isOn == found.IsOn ? "true" : "false"];
            throw new UsageException($"{option.Name} takes no value, got '{attached}'");
        }
        if (attached is not null) return [attached];
        List<string> values = [];
        int max = option.Kind == OptionKind.List ? int.MaxValue : 1;
        while (values.Count < max && HasValue) values.Add(_arguments[_next++]);
        if (values.Count == 0 && option.Kind == OptionKind.OptionalValue) values.Add("true");
        return values.Count > 0 ? values : throw new UsageException($"{option.Name} needs a value");
    }

    TArgs Apply(TArgs record, Setting setting)
    {
        FoundOption<TArgs> found = _names.Find(Today(setting.Name));
        bool isSwitch = found.Option.Kind is OptionKind.Switch or OptionKind.Pair;
        if (!isSwitch) return Apply(record, found, setting.Values);
        if (setting.Values is not [string text] || !bool.TryParse(text, out bool value))
            throw new UsageException($"{found.Option.Name} is true or false");
        return Apply(record, found, [value == found.IsOn ? "true" : "false"]);
    }

    TArgs Apply(TArgs record, FoundOption<TArgs> found, IReadOnlyList<string> values)
    {
        Option<TArgs> option = found.Option;
        try
        {
            if (found.Path is { } path)
            {
                if (_dotted.Add(option, path, values[0]) is { } repeated) _warnings.Add(Repetition(repeated));
                return record;
            }
            if (option.Metavar == ValueTypes.JsonMetavar) values = [JsonText.ExpandNumbers(values[0])];
            return option.Apply(record, values);
        }
        catch (UsageException e)
        {
            throw new UsageException($"{option.Name}: {e.Message}");
        }
    }

    /// <summary>Applies what was gathered, refuses and warns once for all flags of a kind.</summary>
    TArgs Finish(TArgs record)
    {
        foreach ((Option<TArgs> option, string json) in _dotted.Take())
        {
            // As in vLLM, the dotted forms count as one occurrence behind all others.
            if (_seen.Contains(option.Name)) _warnings.Add(Repetition(option.Name));
            record = Apply(record, new FoundOption<TArgs>(option, true, null), [json]);
        }
        _seen.Clear();
        if (_unsupported.Count > 0) throw new UsageException($"not supported yet: {string.Join(", ", _unsupported)}");
        if (_withoutEffect.Count > 0) _warnings.Add($"Without effect here: {string.Join(", ", _withoutEffect)}.");
        _withoutEffect.Clear();
        return record;
    }

    void Note(FoundOption<TArgs> found)
    {
        bool isNew = _seen.Add(found.Option.Name + (found.Path is null ? "" : "."));
        if (!isNew && found.Path is null) _warnings.Add(Repetition(found.Option.Name));
    }

    void NoteUse(VllmFlag flag)
    {
        if (flag.Fate == FlagFate.Unsupported) _unsupported.Add(flag.Name);
        else if (flag.Fate == FlagFate.Gone) _withoutEffect.Add($"{flag.Name} (gone from vLLM)");
        else if (flag.Fate == FlagFate.NoEffect) _withoutEffect.Add(flag.Name);
    }

    string Today(string name)
    {
        if (_names.FindRenamed(name, null) is not { } old) return name;
        WarnOfOldSpelling(old);
        return old.Target;
    }

    void WarnOfOldSpelling(VllmFlag old) =>
        _warnings.Add($"{old.Name.Replace('=', ' ')} is an old spelling; use {old.Target}.");

    static string Repetition(string name) => $"{name} is given more than once; the last one counts.";

    /// <summary>Negative numbers and texts with spaces are values.</summary>
    static bool IsFlag(string argument) =>
        argument.Length > 1 && argument[0] == '-' && !argument.Split('=')[0].Contains(' ', StringComparison.Ordinal)
        && !double.TryParse(argument, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
}

/// <summary>The argument without a flag; help writes its name in capitals.</summary>
/// <param name="Name">In capitals.</param>
/// <param name="Help">For help.</param>
/// <param name="Apply">Puts it into the record.</param>
/// <param name="Flag">A flag for the same, whose use gives a warning.</param>
sealed record Positional<TArgs>(string Name, string Help, Func<TArgs, string, TArgs> Apply, string? Flag = null);
