using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filters on texts. Other values are turned into text first; Markup stays Markup.</summary>
static class TextFilters
{
    public static object? Upper(RenderState state, object? value, Arguments arguments) =>
        Apply(PyCase.Upper, "do_upper", state, value, arguments);

    public static object? Lower(RenderState state, object? value, Arguments arguments) =>
        Apply(PyCase.Lower, "do_lower", state, value, arguments);

    public static object? Capitalize(RenderState state, object? value, Arguments arguments) =>
        Apply(PyCase.Capitalize, "do_capitalize", state, value, arguments);

    public static object? String(RenderState state, object? value, Arguments arguments) =>
        Apply(static text => text, "soft_str", state, value, arguments);

    public static object? Title(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_title");
        return TitleWords(PyRepr.Str(value, state.Budget));
    }

    static object Apply(Func<string, string> map, string name, RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone(name);
        string text = map(PyRepr.Str(value, state.Budget));
        return value is Markup ? new Markup(text) : text;
    }

    /// <summary>A word begins after white space and after any of <c>- ( { [ &lt;</c> only.</summary>
    static string TitleWords(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int start = 0; start < text.Length;)
        {
            bool separators = IsSeparator(text[start]);
            int end = start;
            while (end < text.Length && IsSeparator(text[end]) == separators) end++;
            int first = start + PyString.UnitsAt(text, start);
            result.Append(PyCase.Upper(text[start..first])).Append(PyCase.Lower(text[first..end]));
            start = end;
        }
        return result.ToString();

        static bool IsSeparator(char c) => c is '-' or '(' or '{' or '[' or '<' || PyChar.IsSpace(c);
    }

    public static object? Trim(RenderState state, object? value, Arguments arguments)
    {
        object? chars = OrNone(arguments.Bind("do_trim", 0, "chars")[0]);
        string text = StringMethods.Strip(PyRepr.Str(value, state.Budget), chars, left: true, right: true);
        return value is Markup ? new Markup(text) : text;
    }

    public static object? Center(RenderState state, object? value, Arguments arguments)
    {
        int width = OrInt(arguments.Bind("do_center", 0, "width")[0], 80);
        string text = StringMethods.Center(PyRepr.Str(value, state.Budget), width, " ", state);
        return value is Markup ? new Markup(text) : text;
    }

    public static object? Replace(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_replace", 2, "old", "new", "count");
        int count = OrNone(bound[2]) is null ? -1 : PyNumber.RequireIndex(bound[2]);
        string old = PyRepr.Str(bound[0], state.Budget), replacement = PyRepr.Str(bound[1], state.Budget);
        return StringMethods.Replace(PyRepr.Str(value, state.Budget), old, replacement, count, state);
    }

    public static object? Join(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_join", 0, "d", "attribute");
        AttributePath path = AttributePath.Parse(OrNone(bound[1]));
        string separator = IsMissing(bound[0]) ? "" : PyRepr.Str(bound[0], state.Budget);
        var result = new StringBuilder();
        bool first = true;
        foreach (object? item in Iteration.Enumerate(state, value))
        {
            if (!first) result.Append(separator);
            first = false;
            result.Append(PyRepr.Str(path.Get(item), state.Budget));
            if (result.Length > RenderLimits.MaxStringUnits) state.Budget.AllocateString(result.Length);
        }
        return result.ToString();
    }

    public static object? Format(RenderState state, object? value, Arguments arguments)
    {
        if (arguments.Positional.Length > 0 && arguments.Keywords.Count > 0)
            throw Error.Runtime("can't handle positional and keyword arguments at the same time");
        object? operand = new PyTuple(arguments.Positional);
        if (arguments.Keywords.Count > 0)
        {
            var dict = new PyDict();
            foreach ((string name, object? item) in arguments.Keywords) dict.Set(name, item);
            operand = dict;
        }
        return value is Markup markup
            ? new Markup(PercentFormat.Format(markup.Content, operand, state, escape: true))
            : PercentFormat.Format(PyRepr.Str(value, state.Budget), operand, state);
    }

    public static object? Indent(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_indent", 0, "width", "first", "blank");
        if (value is Undefined undefined) throw undefined.Fail();
        if (PyText.Of(value) is not { } text)
            throw Error.Type($"unsupported operand type(s) for +=: '{PyType.NameOf(value)}' and 'str'");
        string indention = PyText.Of(bound[0]) ?? Spaces(OrInt(bound[0], 4), state);
        if (value is Markup && bound[0] is string plain) indention = Markup.EscapeText(plain);
        bool blank = OrFalse(bound[2]);
        string[] lines = [.. StringMethods.SplitLines(text + "\n", keepEnds: false)];
        state.Budget.AllocateString(text.Length + (long)lines.Length * indention.Length);
        var result = new StringBuilder();
        for (int i = 0; i < lines.Length; i++)
        {
            if (i > 0) result.Append('\n');
            bool indents = i == 0 ? OrFalse(bound[1]) : blank || lines[i].Length > 0;
            if (indents) result.Append(indention);
            result.Append(lines[i]);
        }
        return value is Markup ? new Markup(result.ToString()) : result.ToString();
    }

    static string Spaces(int count, RenderState state)
    {
        state.Budget.AllocateString(Math.Max(count, 0));
        return new string(' ', Math.Max(count, 0));
    }

    public static object? Truncate(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_truncate", 0, "length", "killwords", "end", "leeway");
        int length = OrInt(bound[0], 255);
        string end = IsMissing(bound[2]) ? "..." : RequireText(bound[2], "end");
        int endLength = PyString.Length(end);
        int leeway = OrNone(bound[3]) is null ? 5 : PyNumber.RequireIndex(bound[3]);
        if (length < endLength)
            throw new ChatTemplateException(ChatTemplateErrorKind.Assertion,
                $"expected length >= {endLength}, got {length}");
        if (leeway < 0)
            throw new ChatTemplateException(ChatTemplateErrorKind.Assertion, $"expected leeway >= 0, got {leeway}");
        if (Iteration.Length(value) <= length + (long)leeway) return value;
        if (PyText.Of(value) is not { } text) throw Error.Type($"'{PyType.NameOf(value)}' object cannot be truncated");
        string cut = text[..PyString.UnitIndex(text, length - endLength)];
        if (!OrFalse(bound[1]) && cut.LastIndexOf(' ') is >= 0 and int space) cut = cut[..space];
        return value is Markup
            ? new Markup(cut + (bound[2] is Markup ? end : Markup.EscapeText(end)))
            : bound[2] is Markup ? new Markup(Markup.EscapeText(cut) + end) : cut + end;
    }

    public static object? WordCount(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_wordcount");
        string text = PyRepr.Str(value, state.Budget);
        int count = 0;
        bool inWord = false;
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
        {
            bool isWord = PyChar.IsWord(text, i);
            if (isWord && !inWord) count++;
            inWord = isWord;
        }
        return Boxed.Int(count);
    }
}
