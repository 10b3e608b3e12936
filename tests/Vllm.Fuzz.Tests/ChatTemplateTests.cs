using System.Text;
using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests;

/// <summary>Jinja templates, spoilt, compiled and rendered.</summary>
public sealed class ChatTemplateTests
{
    static readonly string[] Words =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{% for x in range(999999) %}", "{% endfor %}", "{% if x %}", "{% endif %}",
        "{% macro m(a) %}", "{% endmacro %}", "{{ m(m) }}", "{% set x = x ~ x %}", "|", "(", ")", "[", "]", "**", "//", "'", "\"", "\\", ".",
        "|tojson(indent=9999)", "|replace('', 'aa')", "|center(99999999)", "'%99999999d' % 1", "'{:>99999999}'.format(1)", "loop.index",
        "namespace()", "is defined", "not ", "messages", "|join", "|groupby('role')", "|sort", "|list", "* 99999999", "{% block b %}", "{% call m() %}",
        "|wordwrap(1)", "|indent", "|urlize", "|batch(3)", "|slice(3)", "[::-1]", "{% raw %}", "{% generation %}", "{% break %}", "10**10**10",
    ];

    static readonly JsonElement Context = JsonDocument.Parse("""
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi <b> \u00e9"}]},
                      {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.5}}}]}],
         "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "add_generation_prompt": true,
         "bos_token": "<s>", "eos_token": "</s>", "x": [3, 1, 2], "items": {"a": 1, "b": null}, "text": "one two three", "n": 7}
        """).RootElement;

    [Fact]
    public void Template_RendersOrIsRefused()
    {
        List<byte[]> seeds = [.. Sources().Where(source => source.Length is > 0 and < 6000).Distinct().Select(Encoding.UTF8.GetBytes)];
        Assert.SkipWhen(seeds.Count == 0, "no templates");
        Fuzzer.Run(
            new Mutator(seeds, Words), source => ChatTemplate.Compile(Encoding.UTF8.GetString(source)).Render(Context),
            e => e is ChatTemplateException, maxAllocatedBytes: 1L << 30);
    }

    static IEnumerable<string> Sources() =>
        Fixtures.Lines(Path.Combine(Fixtures.Family("jinja"), "cases.jsonl"))
            .Select(item => item.GetProperty("template").GetString()!)
            .Concat(Fixtures.Folders("chat-templates").SelectMany(Directory.GetFiles).Select(File.ReadAllText));
}
