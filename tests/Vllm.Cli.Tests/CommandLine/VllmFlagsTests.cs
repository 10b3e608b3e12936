using System.Text.Json;
using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.CommandLine;

/// <summary>vLLM's own list of flags against what <c>vllm serve</c> makes of them.</summary>
public sealed class VllmFlagsTests
{
    static readonly string Reference = Path.GetFullPath(Path.Combine(Fixtures.Root, "..", "reference", "serve-flags.json"));

    [Fact]
    public void EveryFlag_IsReadOrRefusedByName()
    {
        foreach (JsonElement flag in Flags())
        {
            string[] values = Example(flag, Default(flag));
            foreach (string name in Strings(flag, "flags"))
                CheckReading([name, .. values], flag);
            foreach (string off in Strings(flag, "off"))
                CheckReading([off], flag);
        }
    }

    [Fact]
    public void EveryDefault_AsksForNothing()
    {
        foreach (JsonElement flag in Flags())
        {
            if (Default(flag) is not { } value || Strings(flag, "flags") is not [string name, ..]) continue;
            bool isSwitch = flag.GetProperty("kind").GetString() is "bool" or "switch";
            string[] arguments = !isSwitch ? [name, .. Example(flag, value)]
                : value == "true" ? [name]
                : Strings(flag, "off") is [string off, ..] ? [off] : [];
            List<string> warnings = [];

            ServeCommand.Command.Read(arguments, warnings, NoEnvironment);

            Assert.DoesNotContain(warnings, warning => !warning.StartsWith("Give the model", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void EveryKind_IsTheReferences()
    {
        Dictionary<string, VllmFlag> table =
            VllmFlags.All.SelectMany(flag => flag.Names.Select(name => (name, flag))).ToDictionary();
        foreach (JsonElement flag in Flags())
            foreach (string name in Strings(flag, "flags"))
                if (table.TryGetValue(name, out VllmFlag? known))
                    Assert.Equal((name, KindOf(flag)), (name, known.Kind));
    }

    [Fact]
    public void EveryOldSpelling_LeadsToAFlag()
    {
        var names = new OptionNames<ServeArguments>(ServeCommand.Command.Options, "serve", _ => { });
        VllmFlag[] renamed = [.. VllmFlags.All.Where(flag => flag.Fate == FlagFate.Renamed)];

        Assert.NotEmpty(renamed);
        Assert.All(renamed, flag => names.Find(flag.Target.Split('=')[0]));
    }

    static IReadOnlyDictionary<string, string> NoEnvironment { get; } = new Dictionary<string, string>();

    static IEnumerable<JsonElement> Flags()
    {
        Assert.SkipUnless(File.Exists(Reference), $"{Reference} is not there");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Reference));
        return [.. document.RootElement.GetProperty("commands").GetProperty("vllm serve").GetProperty("flags")
            .EnumerateArray().Where(flag => flag.GetProperty("flags").GetArrayLength() > 0).Select(flag => flag.Clone())];
    }

    static void CheckReading(string[] arguments, JsonElement flag)
    {
        // A file that must be there.
        if (arguments is ["--config", ..]) return;
        try
        {
            ServeCommand.Command.Read(arguments, null, NoEnvironment);
        }
        catch (UsageException e)
        {
            string[] names = [Strings(flag, "flags")[0], flag.GetProperty("dest").GetString()!];
            Assert.DoesNotContain("unknown option", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("could be", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("needs a value", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("unexpected", e.Message, StringComparison.Ordinal);
            Assert.Contains(names, name => e.Message.Contains(name, StringComparison.Ordinal));
        }
    }

    static string[] Example(JsonElement flag, string? value) => KindOf(flag) switch
    {
        OptionKind.Switch or OptionKind.Pair => [],
        OptionKind.List when flag.GetProperty("default") is { ValueKind: JsonValueKind.Array } list =>
            list.GetArrayLength() == 0 ? ["None"] : [.. list.EnumerateArray().Select(item => $"{item}")],
        _ when value is not null => [value],
        _ when Strings(flag, "choices") is [string choice, ..] => [choice],
        _ => [flag.GetProperty("type").GetString()!.Contains("json", StringComparison.Ordinal) ? "{}" : "1"],
    };

    /// <summary>As text; null = none. A default that is an object of vLLM's stands for an empty one.</summary>
    static string? Default(JsonElement flag) => flag.GetProperty("default") switch
    {
        { ValueKind: JsonValueKind.Null } => null,
        _ when flag.GetProperty("kind").GetString() == "append" => null, // nothing appended
        { ValueKind: JsonValueKind.Object } => "{}",
        { ValueKind: JsonValueKind.True } => "true",
        { ValueKind: JsonValueKind.False } => "false",
        { ValueKind: JsonValueKind.Array } list => list.GetRawText(),
        JsonElement other => $"{other}",
    };

    static OptionKind KindOf(JsonElement flag) => flag.GetProperty("kind").GetString() switch
    {
        "switch" => OptionKind.Switch,
        "bool" => OptionKind.Pair,
        _ when flag.TryGetProperty("value_optional", out _) => OptionKind.OptionalValue,
        _ when flag.TryGetProperty("list", out _) => OptionKind.List,
        _ => OptionKind.Value,
    };

    static string[] Strings(JsonElement flag, string property) =>
        flag.TryGetProperty(property, out JsonElement list) ? [.. list.EnumerateArray().Select(item => $"{item}")] : [];
}
