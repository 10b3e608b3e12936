using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Methods of Markup that are not just those of strings with a marked result: they escape what they
/// insert.</summary>
static class MarkupMethods
{
    public static NativeFunction? Find(string text, string name) => name switch
    {
        "unescape" => new NativeFunction(name, (_, arguments) =>
        {
            arguments.RequireNone(name);
            return HtmlFilters.Unescape(text);
        }),
        "striptags" => new NativeFunction(name, (_, arguments) =>
        {
            arguments.RequireNone(name);
            return HtmlFilters.StripTags(text);
        }),
        "escape" => new NativeFunction(name, (state, arguments) =>
            Markup.Escape(arguments.Bind(name, 1, "s")[0], state.Budget)),
        "join" => new NativeFunction(name, (state, arguments) => Join(text, arguments, state)),
        "replace" => new NativeFunction(name, (state, arguments) => Replace(text, arguments, state)),
        "format" => new NativeFunction(name, (state, arguments) =>
            new Markup(new BraceFormat(state, arguments, escape: true).Format(text))),
        "format_map" => new NativeFunction(name, (state, arguments) =>
            new Markup(new BraceFormat(state, Arguments.None, arguments.Bind(name, 1, "/mapping")[0],
                escape: true).Format(text))),
        _ => null,
    };

    static Markup Join(string text, Arguments arguments, RenderState state)
    {
        object?[] items = Iteration.ToArray(state, arguments.Bind("join", 1, "/iterable")[0]);
        string[] escaped = [.. items.Select(item => Markup.Escape(item, state.Budget).Content)];
        state.Budget.AllocateString(escaped.Sum(item => (long)item.Length + text.Length));
        return new Markup(string.Join(text, escaped));
    }

    static Markup Replace(string text, Arguments arguments, RenderState state)
    {
        object?[] bound = arguments.Bind("replace", 2, "/old", "/new", "/count");
        string replacement = Markup.Escape(bound[1], state.Budget).Content;
        return new Markup(StringMethods.Replace(text, RequireText(bound[0], "replace()"), replacement,
            OrInt(bound[2], -1), state));
    }
}
