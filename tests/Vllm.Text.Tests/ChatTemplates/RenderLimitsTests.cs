using System.Diagnostics;
using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests.ChatTemplates;

/// <summary>No template may hang, kill the process or take all memory.</summary>
public class RenderLimitsTests
{
    static readonly JsonElement Empty = JsonDocument.Parse("{}").RootElement;

    static ChatTemplateException Fails(string source) =>
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Compile(source).Render(Empty));

    static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(100000) %}{{ range(100000)|list|length }}{% endfor %}")]
    [InlineData("{% for a in range(100000) %}{{ range(100000)|map('string')|join|length }}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='x') %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|pprint }}")]
    [InlineData("{% set ns = namespace(l=[1]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ {}[ns.l].x }}")]
    [InlineData("{% set s = '-' * 40000 %}{% for a in range(100000) %}{{ s|wordwrap }}{% endfor %}")]
    [InlineData("{% set s = 'é🦊' * 1000000 %}{% for a in range(100000) %}{{ s[0] }}{% endfor %}")]
    [InlineData("{% for a in range(100000) %}{{ range(100000).count(1) }}{% endfor %}")]
    [InlineData("{{ 'x' * 1000000000 }}")]
    [InlineData("{{ [1] * 1000000000 }}")]
    [InlineData("{{ '%1000000000d' % 1 }}")]
    [InlineData("{{ '%.1000000000f' % 1 }}")]
    [InlineData("{{ '{:1000000000}'.format(1) }}")]
    [InlineData("{{ '{:.1000000000f}'.format(1.5) }}")]
    [InlineData("{{ 'x'.center(1000000000) }}")]
    [InlineData("{{ 'x'.zfill(1000000000) }}")]
    [InlineData("{{ '\\t'.expandtabs(1000000000) }}")]
    [InlineData("{{ 'x'|indent(1000000000, true) }}")]
    [InlineData("{{ [1]|batch(1000000000, 0)|list }}")]
    [InlineData("{{ [1]|slice(1000000000)|list|length }}")]
    [InlineData("{{ [1]|tojson(indent=1000000000) }}")]
    [InlineData("{{ lipsum(1000000000) }}")]
    [InlineData("{{ 10 ** 1000000000 }}")]
    [InlineData("{% set ns = namespace(i=3) %}{% for a in range(100) %}{% set ns.i = ns.i * ns.i %}{% endfor %}")]
    [InlineData("{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}")]
    public void Render_StopsWhatTakesTooMuch(string source)
    {
        long start = Stopwatch.GetTimestamp();

        Assert.Equal(ChatTemplateErrorKind.Limit, Fails(source).Kind);

        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Theory]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% macro m(x) %}{% if x %}{% for i in [1] %}{{ m(x) ~ m(x) }}{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}")]
    [InlineData("{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}")]
    [InlineData("{% block b %}{{ self.b() }}{% endblock %}")]
    [InlineData("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}")]
    [InlineData("{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}")]
    [InlineData("{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}")]
    public void Render_RefusesEndlessRecursion(string source) =>
        Assert.Equal(ChatTemplateErrorKind.Recursion, Fails(source).Kind);

    public static TheoryData<string, string> Nestings => new()
    {
        { "parentheses", $"{{{{ {Repeat("(", 100_000)}1{Repeat(")", 100_000)} }}}}" },
        { "lists", $"{{{{ {Repeat("[", 100_000)}{Repeat("]", 100_000)} }}}}" },
        { "not", $"{{{{ {Repeat("not ", 100_000)}1 }}}}" },
        { "minus", $"{{{{ {Repeat("- ", 100_000)}1 }}}}" },
        { "sum", $"{{{{ 1{Repeat("+1", 100_000)} }}}}" },
        { "filters", $"{{{{ 1{Repeat("|abs", 100_000)} }}}}" },
        { "attributes", $"{{{{ x{Repeat(".a", 100_000)} }}}}" },
        { "conditions", $"{{{{ {Repeat("1 if 1 else ", 100_000)}1 }}}}" },
        { "blocks", Repeat("{% if 1 %}", 100_000) + Repeat("{% endif %}", 100_000) },
    };

    [Theory]
    [MemberData(nameof(Nestings), DisableDiscoveryEnumeration = true)]
    public void Compile_RefusesDeepNesting(string what, string source)
    {
        ChatTemplateException exception = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Compile(source));

        Assert.True(exception.Kind == ChatTemplateErrorKind.Syntax, what);
    }

    [Fact]
    public void Render_AllowsWhatPublishedTemplatesNeed()
    {
        string nested = $"{{{{ {Repeat("(", 100)}1{Repeat(")", 100)} }}}}";
        string recursive = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% else %}end{% endif %}{% endmacro %}{{ m(150) }}";
        string loops = "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}done";

        Assert.Equal("1", ChatTemplate.Compile(nested).Render(Empty));
        Assert.Equal("end", ChatTemplate.Compile(recursive).Render(Empty));
        Assert.Equal("done", ChatTemplate.Compile(loops).Render(Empty));
    }

    [Fact]
    public void Render_OnASmallStack_FailsInsteadOfDying()
    {
        var template = ChatTemplate.Compile("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
        ChatTemplateException? exception = null;
        var thread = new Thread(() =>
            exception = Assert.Throws<ChatTemplateException>(() => template.Render(Empty)), 256 << 10);

        thread.Start();
        thread.Join();

        Assert.Equal(ChatTemplateErrorKind.Recursion, exception?.Kind);
    }
}
