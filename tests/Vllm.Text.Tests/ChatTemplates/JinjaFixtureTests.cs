using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests.ChatTemplates;

/// <summary>Templates of the language's parts with the text or error of Jinja itself.</summary>
public class JinjaFixtureTests
{
    static readonly Lazy<ILookup<string, JsonElement>> Cases = new(() =>
        Fixtures.Lines(Path.Combine(Fixtures.Family("jinja"), "cases.jsonl")).ToLookup(item =>
            item.GetProperty("group").GetString()!));

    public static TheoryData<string> Groups() => [.. Cases.Value.Select(group => group.Key)];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Groups))]
    public void Render_GivesWhatJinjaGives(string group)
    {
        var failures = new List<(string, string)>();
        foreach (JsonElement item in Cases.Value[group])
            if (Check(item) is { } failure)
                failures.Add((item.GetProperty("name").GetString()!, failure));

        FixtureCases.AssertNone(failures, Cases.Value[group].Count());
    }

    static string? Check(JsonElement item)
    {
        ChatTemplate template;
        string? stage = item.TryGetProperty("stage", out JsonElement named) ? named.GetString() : null;
        try
        {
            template = ChatTemplate.Compile(item.GetProperty("template").GetString()!);
        }
        catch (ChatTemplateException exception) when (stage == "compile")
        {
            return FixtureCases.Compare(item, () => throw exception) ?? CheckLine(item, exception);
        }
        catch (ChatTemplateException exception)
        {
            return $"does not compile: {exception.Message}";
        }
        if (stage == "compile") return "compiles, but should not";
        JsonElement context = item.GetProperty("context");
        return FixtureCases.Compare(item, () => template.Render(context, FixtureCases.Clock(context)));
    }

    // Where Python's own compiler refuses the generated code, the line is one of that code.
    static string? CheckLine(JsonElement item, ChatTemplateException exception) =>
        !item.TryGetProperty("line", out JsonElement line)
            || item.GetProperty("exception").GetString() == "SyntaxError" ||
        line.GetInt32() == exception.Line
            ? null
            : $"expected line {line}, got {exception.Line} ({exception.Message})";
}
