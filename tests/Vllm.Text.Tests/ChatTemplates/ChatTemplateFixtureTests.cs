using System.Collections.Concurrent;
using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests.ChatTemplates;

/// <summary>Published templates and the prompts that transformers renders with them; what vLLM reads off
/// them.</summary>
public class ChatTemplateFixtureTests
{
    const string Family = "chat-templates";

    static readonly Lazy<ILookup<string, JsonElement>> Cases = new(() =>
        Fixtures.Lines(Path.Combine(Fixtures.Family(Family), "cases.jsonl")).ToLookup(item =>
            item.GetProperty("template").GetString()!));

    static readonly ConcurrentDictionary<string, ChatTemplate> Templates = new();

    static ChatTemplate Template(string name) =>
        Templates.GetOrAdd(name, static name => ChatTemplate.Compile(Source(name)));

    static string Source(string name) => File.ReadAllText(Fixtures.FindFile(Family, "templates", name + ".jinja"));

    public static TheoryData<string> Names() => [.. Cases.Value.Select(group => group.Key)];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names))]
    public void Render_GivesWhatTransformersGives(string name)
    {
        ChatTemplate template = Template(name);

        var failures = new List<(string, string)>();
        foreach (JsonElement item in Cases.Value[name])
            if (FixtureCases.Compare(item, () => template.Render(Input(item), FixtureCases.Clock(item))) is { } failure)
                failures.Add((item.GetProperty("name").GetString()!, failure));

        FixtureCases.AssertNone(failures, Cases.Value[name].Count());
    }

    static ChatTemplateInput Input(JsonElement item) => new()
    {
        Messages = item.GetProperty("messages"),
        Tools = item.GetProperty("tools"),
        Documents = item.GetProperty("documents"),
        AddGenerationPrompt = item.GetProperty("add_generation_prompt").GetBoolean(),
        ContinueField = item.GetProperty("continue_final_message") switch
        {
            { ValueKind: JsonValueKind.True } => "content",
            { ValueKind: JsonValueKind.String } field => field.GetString(),
            _ => null,
        },
        BosToken = item.GetProperty("bos_token").GetString(),
        EosToken = item.GetProperty("eos_token").GetString(),
        Kwargs = item.GetProperty("kwargs").EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value),
    };

    [Fact]
    public void Inspection_FindsWhatVllmFinds()
    {
        var failures = new List<(string, string)>();
        JsonElement[] cases = [.. Fixtures.Lines(Fixtures.FindFile(Family, "detection.jsonl"))];
        foreach (JsonElement item in cases)
            if (CheckDetection(item) is { } failure)
                failures.Add((item.GetProperty("name").GetString()!, failure));

        FixtureCases.AssertNone(failures, cases.Length);
    }

    static string? CheckDetection(JsonElement item)
    {
        string source = item.TryGetProperty("text", out JsonElement text)
            ? text.GetString()! : Source(item.GetProperty("template").GetString()!);
        JsonElement variables = item.GetProperty("variables");
        ChatTemplate template;
        try
        {
            template = ChatTemplate.Compile(source);
        }
        catch (ChatTemplateException exception)
        {
            return variables.ValueKind == JsonValueKind.Null ? null : exception.Message;
        }
        string? format = template.ContentFormat?.ToString().ToLowerInvariant();
        string actual = string.Join(' ', template.Variables.Order(StringComparer.Ordinal));
        string expected = string.Join(' ',
            variables.EnumerateArray().Select(name => name.GetString()).Order(StringComparer.Ordinal));
        if (format != item.GetProperty("content_format").GetString()) return $"content format {format ?? "null"}";
        if (template.AcceptsDeveloperRole != item.GetProperty("developer_role").GetBoolean()) return "developer role";
        return actual == expected ? null : $"variables expected {expected}, got {actual}";
    }
}
