using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>The methods of strings that look for another string between two positions.</summary>
static class StringSearch
{
    public static object? Count(string text, Arguments arguments, RenderState state)
    {
        object?[] bound = arguments.Bind("count", 1, "/sub", "/start", "/end");
        string part = RequireText(bound[0], "count()");
        if (Window(text, bound[1], bound[2]) is not { } window) return Boxed.Int(0);
        ReadOnlySpan<char> span = text.AsSpan(window.Start, window.End - window.Start);
        if (part.Length == 0) return Boxed.Int(PyString.Length(span.ToString()) + 1);
        return Boxed.Int(span.Count(part));
    }

    public static object? Find(string text, Arguments arguments, string name, bool fromRight, bool required)
    {
        object?[] bound = arguments.Bind(name, 1, "/sub", "/start", "/end");
        string part = RequireText(bound[0], $"{name}()");
        int index = -1;
        if (Window(text, bound[1], bound[2]) is { } window)
        {
            ReadOnlySpan<char> span = text.AsSpan(window.Start, window.End - window.Start);
            index = fromRight ? span.LastIndexOf(part) : span.IndexOf(part);
            if (index >= 0) index = PyString.CodePointIndex(text, window.Start + index);
        }
        return index < 0 && required ? throw Error.Value("substring not found") : Boxed.Int(index);
    }

    public static object? Affix(string text, Arguments arguments, string name, bool atEnd)
    {
        object?[] bound = arguments.Bind(name, 1, "/prefix", "/start", "/end");
        object?[] candidates = bound[0] is PyTuple tuple ? tuple.Values : [bound[0]];
        bool found = false;
        foreach (object? candidate in candidates)
        {
            string affix = PyText.Of(candidate)
                ?? throw Error.Type($"{name} first arg must be str or a tuple of str, not {PyType.NameOf(candidate)}");
            found |= Window(text, bound[1], bound[2]) is { } window
                && Matches(text.AsSpan(window.Start, window.End - window.Start), affix);
        }
        return Boxed.Bool(found);

        bool Matches(ReadOnlySpan<char> span, string affix) =>
            atEnd ? span.EndsWith(affix, StringComparison.Ordinal) : span.StartsWith(affix, StringComparison.Ordinal);
    }

    /// <summary>The units between two positions in code points, which count from the end if negative; <c>null</c> when
    /// the first is beyond the second or the end of the text.</summary>
    static (int Start, int End)? Window(string text, object? start, object? end)
    {
        if (OrNone(start) is null && OrNone(end) is null) return (0, text.Length);
        int length = PyString.Length(text);
        int first = Position(start, 0), last = Math.Min(Position(end, length), length);
        return first > last ? null : (PyString.UnitIndex(text, first), PyString.UnitIndex(text, last));

        int Position(object? value, int otherwise)
        {
            if (OrNone(value) is null) return otherwise;
            int index = PyNumber.AsIndex(value)
                ?? throw Error.Type("slice indices must be integers or None or have an __index__ method");
            return index < 0 ? Math.Max(0, index + length) : index;
        }
    }
}
