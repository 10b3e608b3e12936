using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Cli.CommandLine;

/// <summary>Gathers <c>--f.a 1 --f.b.c 2 --f.list+ x</c> to the JSON objects that the flags before the dots
/// take.</summary>
sealed class DottedValues<TArgs>
{
    /// <summary>Far deeper than any option of vLLM's.</summary>
    const int MaxDepth = 16;

    readonly Dictionary<string, (Option<TArgs> Option, JsonObject Root)> _roots = [];

    /// <summary>Adds a value; returns its full name when that had one before.</summary>
    public string? Add(Option<TArgs> option, string path, string value)
    {
        bool isAppended = path.EndsWith('+');
        string[] keys = (isAppended ? path[..^1] : path).Split('.');
        if (keys.Length > MaxDepth || keys.Contains("")) throw new UsageException($"'{path}' is no list of keys");
        if (!_roots.TryGetValue(option.Name, out (Option<TArgs> Option, JsonObject Root) root))
            _roots.Add(option.Name, root = (option, []));
        JsonObject parent = root.Root;
        foreach (string key in keys[..^1])
        {
            if (parent[key] is not JsonObject child) parent[key] = child = [];
            parent = child;
        }
        if (isAppended)
        {
            if (parent[keys[^1]] is not JsonArray list) parent[keys[^1]] = list = [];
            foreach (string item in value.Split(',')) list.Add(JsonText.ParseLeniently(item));
            return null;
        }
        bool isRepeated = parent.ContainsKey(keys[^1]);
        parent[keys[^1]] = JsonText.ParseLeniently(value);
        return isRepeated ? $"{option.Name}.{path}" : null;
    }

    /// <summary>The objects, which are forgotten.</summary>
    public IReadOnlyList<(Option<TArgs> Option, string Json)> Take()
    {
        List<(Option<TArgs>, string)> all = [.. _roots.Values.Select(root => (root.Option, root.Root.ToJsonString()))];
        _roots.Clear();
        return all;
    }
}

/// <summary>JSON as the command line writes it: bare numbers may have a unit.</summary>
static class JsonText
{
    const string Units = "kKmMgGtT";

    /// <summary>A value as JSON, else as a number with a unit, else as text.</summary>
    public static JsonNode? ParseLeniently(string text)
    {
        try
        {
            return JsonNode.Parse(ExpandNumbers(text));
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    /// <summary>Writes numbers with a unit out: <c>{"n": 80m}</c> becomes <c>{"n": 80000000}</c>. What stands in
    /// quotes, or is no such number, stays.</summary>
    public static string ExpandNumbers(string json)
    {
        var result = new System.Text.StringBuilder(json.Length);
        int i = 0;
        while (i < json.Length)
        {
            int length = json[i] == '"' ? QuotedLength(json, i) : IsWordPart(json[i]) ? WordLength(json, i) : 1;
            result.Append(Expand(json.Substring(i, length)));
            i += length;
        }
        return result.ToString();
    }

    static string Expand(string word)
    {
        bool isCandidate = word.Length > 1 && Units.Contains(word[^1], StringComparison.Ordinal)
            && (char.IsAsciiDigit(word[0]) || word[0] == '-');
        if (!isCandidate) return word;
        try
        {
            return $"{HumanNumber.Parse(word, long.MaxValue)}";
        }
        catch (UsageException)
        {
            return word; // the JSON reader will say that it is nothing
        }
    }

    static int QuotedLength(string json, int start)
    {
        int i = start + 1;
        while (i < json.Length && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
        return Math.Min(i + 1, json.Length) - start;
    }

    static int WordLength(string json, int start)
    {
        int i = start;
        while (i < json.Length && IsWordPart(json[i])) i++;
        return i - start;
    }

    static bool IsWordPart(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '+' or '_';
}
