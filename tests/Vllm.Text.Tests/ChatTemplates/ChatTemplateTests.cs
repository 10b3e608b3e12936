using System.Text.Json;
using Vllm.Text.ChatTemplates;

namespace Vllm.Tests.ChatTemplates;

/// <summary>The public surface, and corners of Python that the fixtures may not have.</summary>
public class ChatTemplateTests
{
    const string ChatMl =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}" +
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;

    static string Render(string source, string context = "{}") => ChatTemplate.Compile(source).Render(Json(context));

    // Expected texts are those of Jinja 3.1.6 on Python 3.11.
    [Theory]
    [InlineData("{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {% set x = 2 %}{{ -2 ** x }}", "4 64 -4")]
    [InlineData("{{ 7 // -2 }} {{ 7 % -3 }} {{ -7.5 // 2 }} {{ 0 / -3 }}", "-4 -2 -4.0 -0.0")]
    [InlineData("{{ 1e16 }} {{ 123456789.123 }} {{ 1e-5 }} {{ 5e-324 }}", "1e+16 123456789.123 1e-05 5e-324")]
    [InlineData("{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 25|round(-1) }}", "2.0 4.0 2.67 20")]
    [InlineData("{{ '%.2f' % 0.125 }} {{ '%g' % 1000000 }} {{ '%#x' % 255 }}", "0.12 1e+06 0xff")]
    [InlineData("{{ '{:010,d}|{:<05}|{:.3}'.format(1234, 3, 1e10) }}", "00,001,234|30000|1e+10")]
    [InlineData("{{ 9223372036854775807 + 1 }} {{ 2**64 // 3 }}", "9223372036854775808 6148914691236517205")]
    [InlineData("{{ [1, 'it\\'s', none, (2,), {'a': 1.0}] }}", "[1, \"it's\", None, (2,), {'a': 1.0}]")]
    [InlineData("{{ 'ΑΣ'.lower() }} {{ 'ß'.upper() }} {{ 'ŉ'.title() }}", "ας SS ʼN")]
    [InlineData("{{ '🦊bc'[1:] }} {{ '🦊'|length }} {{ 'a🦊'[::-1] }}", "bc 1 🦊a")]
    [InlineData("{{ 'a  b '.split(none, 1) }} {{ 'abc'.replace('', '-') }}", "['a', 'b '] -a-b-c-")]
    [InlineData("{{ '<b>' + ('<i>'|safe) }} {{ ('<'|e) ~ '<' }}", "&lt;b&gt;<i> &lt;<")]
    [InlineData("{% for x in [1] %}{{ q }}{% endfor %}{% set q = 1 %}{{ q }}", "1")]
    [InlineData("{% for x in [1, 2] %}{% continue %}{% else %}none{% endfor %}", "none")]
    [InlineData("{{ {'b': 1, 'a': [true, none]}|tojson(sort_keys=true, indent=1) }}", "{\n \"a\": [\n  true,\n  null\n ],\n \"b\": 1\n}")]
    public void Render_FollowsPython(string source, string expected) => Assert.Equal(expected, Render(source));

    [Fact]
    public void Render_KeepsKindsOfNumbers() =>
        Assert.Equal("[1, 1.0, 1e+21, -0.0, 1180591620717411303424]", Render("{{ v }}", """{"v":[1,1.0,1e+21,-0.0,1180591620717411303424]}"""));

    [Fact]
    public void Render_KeepsLoneSurrogates() => Assert.Equal("1 \"\\ud83e\"", Render("{{ s|length }} {{ s|tojson(true) }}", """{"s":"\ud83e"}"""));

    [Fact]
    public void Render_ReportsTheLine()
    {
        var exception = Assert.Throws<ChatTemplateException>(() => Render("a\nb\n{{ nope.x }}\n"));

        Assert.Equal((ChatTemplateErrorKind.Undefined, 3), (exception.Kind, exception.Line));
    }

    [Fact]
    public void Compile_ReportsTheLine()
    {
        var exception = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Compile("a\n{% if x %}\nb\n{% endfor %}"));

        Assert.Equal((ChatTemplateErrorKind.Syntax, 4), (exception.Kind, exception.Line));
    }

    [Fact]
    public void Render_OnManyThreads_GivesTheSame()
    {
        ChatTemplate template = ChatTemplate.Compile(ChatMl);
        var prompts = new string[64];

        Parallel.For(0, prompts.Length, i => prompts[i] = template.Render(Chat(numMessages: 20)));

        Assert.Single(prompts.Distinct());
    }

    [Fact]
    public void Render_ContinuesTheFinalMessage()
    {
        ChatTemplate template = ChatTemplate.Compile(ChatMl);
        ChatTemplateInput input = Chat(numMessages: 2) with { ContinueField = "content", AddGenerationPrompt = false };

        Assert.EndsWith("<|im_start|>assistant\nmessage 1", template.Render(input));
    }

    [Fact]
    public void Kwargs_ReplaceVariables()
    {
        var kwargs = new Dictionary<string, JsonElement> { ["bos_token"] = Json("\"B\""), ["enable_thinking"] = Json("true") };
        ChatTemplateInput input = Chat(numMessages: 1) with { BosToken = "A", Kwargs = kwargs };

        Assert.Equal("BTrue", ChatTemplate.Compile("{{ bos_token }}{{ enable_thinking }}").Render(input));
    }

    static ChatTemplateInput Chat(int numMessages) => new()
    {
        Messages = Json("[" + string.Join(',', Enumerable.Range(0, numMessages).Select(i =>
            $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"message {{i}}"}""")) + "]"),
        AddGenerationPrompt = true,
    };
}
