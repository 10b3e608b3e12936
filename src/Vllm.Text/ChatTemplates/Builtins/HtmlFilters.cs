using System.Net;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filters for HTML and URLs: rare in chat templates, but part of the language.</summary>
static class HtmlFilters
{
    public static object? Escape(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("escape");
        return Markup.Escape(value, state.Budget);
    }

    public static object? ForceEscape(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_forceescape");
        return new Markup(Markup.EscapeText(PyRepr.Str(value, state.Budget)));
    }

    public static object? Safe(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_mark_safe");
        return value as Markup ?? new Markup(PyRepr.Str(value, state.Budget));
    }

    public static object? StripTags(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_striptags");
        return StripTags(PyRepr.Str(value, state.Budget));
    }

    /// <summary>Without comments and tags, white space in a row made one blank, and entities resolved.</summary>
    public static string StripTags(string text)
    {
        text = Remove(text, "<!--", "-->");
        text = Remove(text, "<", ">");
        var words = StringMethods.SplitWords(text, -1);
        return Unescape(string.Join(' ', words));
    }

    static string Remove(string text, string open, string close)
    {
        var result = new StringBuilder(text.Length);
        int position = 0;
        while (text.IndexOf(open, position, StringComparison.Ordinal) is >= 0 and int start)
        {
            int end = text.IndexOf(close, start, StringComparison.Ordinal);
            if (end < 0) break;
            result.Append(text, position, start - position);
            position = end + close.Length;
        }
        return result.Append(text, position, text.Length - position).ToString();
    }

    public static string Unescape(string text) => WebUtility.HtmlDecode(text);

    public static object? XmlAttr(RenderState state, object? value, Arguments arguments)
    {
        object? autospace = arguments.Bind("do_xmlattr", 0, "autospace")[0];
        if (value is Undefined undefined) throw undefined.Fail();
        if (value is not PyDict dict)
            throw new ChatTemplateException(ChatTemplateErrorKind.Attribute,
                $"'{PyType.NameOf(value)}' object has no attribute 'items'");
        var items = new List<string>();
        foreach ((object? key, object? item) in dict.Entries)
        {
            if (item is null or Undefined) continue;
            string name = PyText.Of(key)
                ?? throw Error.Type($"expected string or bytes-like object, got '{PyType.NameOf(key)}'");
            if (name.AsSpan().IndexOfAny(" \t\n\r\f\v/>=") >= 0)
                throw Error.Value($"Invalid character in attribute name: {PyRepr.Repr(name)}");
            items.Add($"{Markup.Escape(key, state.Budget).Content}=\"{Markup.Escape(item, state.Budget).Content}\"");
        }
        string result = string.Join(' ', items);
        bool withSpace = ReferenceEquals(autospace, Missing.Value) || Truth.Of(autospace);
        return withSpace && result.Length > 0 ? " " + result : result;
    }

    public static object? UrlEncode(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_urlencode");
        if (PyText.Of(value) is not null || !Iteration.IsIterable(value)) return Quote(value, state, forQuery: false);
        IEnumerable<object?> pairs = value is PyDict dict
            ? dict.Entries.Select(entry => new PyTuple([entry.Key, entry.Value]))
            : Iteration.Enumerate(state, value);
        return string.Join('&', pairs.Select(pair =>
        {
            object?[] parts = Iteration.ToArray(state, pair);
            return parts.Length == 2
                ? $"{Quote(parts[0], state, forQuery: true)}={Quote(parts[1], state, forQuery: true)}"
                : throw Error.Value($"expected a pair to unpack, got {parts.Length} values");
        }));
    }

    static string Quote(object? value, RenderState state, bool forQuery)
    {
        byte[] bytes = value is PyBytes own ? own.Content : Encoding.UTF8.GetBytes(PyRepr.Str(value, state.Budget));
        var result = new StringBuilder(bytes.Length);
        foreach (byte b in bytes)
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~'
                || (c == '/' && !forQuery))
                result.Append(c);
            else if (c == ' ' && forQuery) result.Append('+');
            else result.Append('%').Append(b.ToString("X2"));
        }
        return result.ToString();
    }
}
