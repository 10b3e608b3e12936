using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Vllm.Cli.CommandLine;

/// <summary>The YAML file of <c>--config</c>: keys are long names without dashes. A list gives an option several
/// values, a mapping is a JSON value, and <c>false</c> is the off form.</summary>
static class ConfigFile
{
    public const string Flag = "--config";

    const long MaxSizeBytes = 1 << 20;
    const int MaxDepth = 32;

    /// <summary>The file that the arguments name; the last one when there are several.</summary>
    public static string? NamedIn(IReadOnlyList<string> arguments)
    {
        string? file = null;
        for (int i = 0; i < arguments.Count && arguments[i] != "--"; i++)
        {
            string argument = arguments[i];
            if (argument == Flag && i + 1 < arguments.Count) file = arguments[i + 1];
            else if (argument.StartsWith(Flag + "=", StringComparison.Ordinal)) file = argument[(Flag.Length + 1)..];
        }
        return file;
    }

    /// <param name="file">Its path.</param>
    /// <param name="find">The option of a name: what a list means depends on it.</param>
    /// <exception cref="UsageException">The file is missing, or no flat YAML mapping.</exception>
    public static IReadOnlyList<Setting> Read<TArgs>(string file, Func<string, Option<TArgs>> find)
    {
        List<Setting> settings = [];
        foreach ((YamlNode key, YamlNode value) in RootOf(file).Children)
        {
            if (key is not YamlScalarNode { Value: { Length: > 0 } name })
                throw new UsageException($"{file}, line {key.Start.Line}: a key must be the long name of an option");
            if (name is "model_tag" or "model-tag") name = "model";
            string flag = "--" + name;
            string source = $"{file}, line {key.Start.Line}";
            if (IsNull(value)) continue; // the default
            if (ValuesOf(value, flag, find, source) is { Count: > 0 } values)
                settings.Add(new Setting(flag, values, source));
        }
        return settings;
    }

    static YamlMappingNode RootOf(string file)
    {
        try
        {
            if (new FileInfo(file).Length > MaxSizeBytes)
                throw new UsageException($"{Flag}: {file} is larger than {MaxSizeBytes} bytes");
            string text = File.ReadAllText(file);
            CheckDepth(text, file);
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            if (yaml.Documents is [{ RootNode: YamlMappingNode root }]) return root;
            throw new UsageException($"{Flag}: {file} is no mapping of option names to values");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{Flag}: {e.Message}");
        }
        catch (YamlException e)
        {
            throw new UsageException($"{Flag}: {file}, line {e.Start.Line}: {e.Message}");
        }
    }

    /// <summary>The document's reader calls itself for each level, and an anchor's node may hold itself.</summary>
    static void CheckDepth(string text, string file)
    {
        var parser = new Parser(new StringReader(text));
        int depth = 0;
        while (parser.MoveNext())
        {
            depth += parser.Current!.NestingIncrease;
            if (depth > MaxDepth) throw new UsageException($"{Flag}: {file} is nested too deeply");
            if (parser.Current is AnchorAlias alias)
                throw new UsageException($"{Flag}: {file}, line {alias.Start.Line}: aliases are not supported");
        }
    }

    static IReadOnlyList<string> ValuesOf<TArgs>(
        YamlNode value, string flag, Func<string, Option<TArgs>> find, string source)
    {
        if (value is YamlScalarNode scalar)
            return [AsBool(scalar) switch { true => "true", false => "false", null => scalar.Value! }];
        if (value is YamlMappingNode) return [ToJson(value, source)!.ToJsonString()];
        bool takesList = FindNamed(flag, find, source).Kind == OptionKind.List;
        return takesList
            ? [.. ((YamlSequenceNode)value).Select(item => ItemOf(item, source))]
            : [ToJson(value, source)!.ToJsonString()];
    }

    static Option<TArgs> FindNamed<TArgs>(string flag, Func<string, Option<TArgs>> find, string source)
    {
        try
        {
            return find(flag);
        }
        catch (UsageException e)
        {
            throw new UsageException($"{source}: {e.Message}");
        }
    }

    static string ItemOf(YamlNode item, string source) =>
        item is YamlScalarNode { Value: { } text } ? text : ToJson(item, source)?.ToJsonString() ?? "";

    static JsonNode? ToJson(YamlNode node, string source) => node switch
    {
        YamlMappingNode mapping => new JsonObject(mapping.Children.Select(pair => KeyValuePair.Create(
            pair.Key is YamlScalarNode { Value: { } key }
                ? key
                : throw new UsageException($"{source}: a key is no text"),
            ToJson(pair.Value, source)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(item => ToJson(item, source))]),
        YamlScalarNode scalar => ToJson(scalar),
        _ => throw new UsageException($"{source}: only texts, lists and mappings"),
    };

    static JsonNode? ToJson(YamlScalarNode scalar)
    {
        if (IsNull(scalar)) return null;
        if (AsBool(scalar) is { } isOn) return JsonValue.Create(isOn);
        if (scalar.Style != ScalarStyle.Plain) return JsonValue.Create(scalar.Value!);
        if (long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
            return JsonValue.Create(whole);
        return double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(scalar.Value!);
    }

    static bool IsNull(YamlNode node) => node is YamlScalarNode
    {
        Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL",
    };

    /// <summary>YAML 1.1's words, as vLLM's reader takes them.</summary>
    static bool? AsBool(YamlScalarNode scalar) => scalar.Style != ScalarStyle.Plain ? null : scalar.Value switch
    {
        "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => true,
        "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => false,
        _ => null,
    };
}
