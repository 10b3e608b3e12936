using System.Text.Json;

namespace Vllm.Tests.Replay;

/// <summary>The recorded exchanges of one run of the reference server.</summary>
sealed class RecordedRun
{
    public RecordedRun(string name)
    {
        Name = name;
        Settings = JsonDocument.Parse(File.ReadAllText(Fixtures.FindFile("server", name, "run.json"))).RootElement;
    }

    public string Name { get; }

    /// <summary>The contents of <c>run.json</c>.</summary>
    public JsonElement Settings { get; }

    public IReadOnlyList<string> Flags => [.. Settings.GetProperty("flags").EnumerateArray().Select(f => f.GetString()!)];

    /// <summary>The checkpoint; null for SmolLM2, which lies in the repository.</summary>
    public string? ModelFolder => Settings.TryGetProperty("model_folder", out JsonElement folder)
        ? Path.GetFullPath(Path.Combine(Fixtures.FilesRoot, "server", Name, folder.GetString()!))
        : null;

    public IEnumerable<RecordedCase> Cases => Fixtures.Lines(Path.Combine(Fixtures.Family("server"), Name, "cases.jsonl")).Select(c => new RecordedCase(c));
}

/// <summary>One case: one exchange, or several in an order.</summary>
sealed class RecordedCase(JsonElement json)
{
    public JsonElement Json => json;

    public string Name => json.GetProperty("name").GetString()!;

    public string Group => json.GetProperty("group").GetString()!;

    public string Compare => json.TryGetProperty("compare", out JsonElement compare) ? compare.GetString()! : "exact";

    /// <summary>Another token may be right where two logits lie close together.</summary>
    public bool IsNearTie => json.TryGetProperty("near_tie", out JsonElement value) && value.GetBoolean();

    /// <summary>The reference decodes the first bytes of the answer with the prompt's last ones: texts do not compare.</summary>
    public bool HasUnclearText => json.TryGetProperty("prompt_ends_inside_character", out JsonElement value) && value.GetBoolean();

    /// <summary>The recording itself says that the answer depends on client and parser.</summary>
    public bool IsUncertain => json.TryGetProperty("note", out JsonElement note) && note.GetString()!.Contains("do not insist");

    public bool IsExchange => json.TryGetProperty("request", out _) || json.TryGetProperty("steps", out _);

    public IReadOnlyList<RecordedExchange> Exchanges => json.TryGetProperty("steps", out JsonElement steps)
        ? [.. steps.EnumerateArray().Select(s => new RecordedExchange(s, Compare))]
        : [new RecordedExchange(json, Compare)];
}

sealed class RecordedExchange(JsonElement json, string defaultCompare)
{
    public JsonElement Request => json.GetProperty("request");

    public JsonElement Response => json.GetProperty("response");

    public string Compare => json.TryGetProperty("compare", out JsonElement compare) ? compare.GetString()! : defaultCompare;

    public string MessageKind => json.TryGetProperty("message_kind", out JsonElement kind) ? kind.GetString()! : "vllm";

    public string Method => Request.GetProperty("method").GetString()!;

    public string Path => Request.GetProperty("path").GetString()!;

    public JsonElement? Body => Request.TryGetProperty("body", out JsonElement body) ? body : null;
}
