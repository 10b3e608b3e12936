using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filter <c>pprint</c>: Python's <c>pprint.pformat</c>, with keys of dicts sorted and lines of at most 80
/// characters where parts can be put on lines of their own.</summary>
sealed class PrettyPrinter(RenderState state)
{
    const int Width = 80;

    readonly StringBuilder _text = new();

    public static object? Filter(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_pprint");
        var printer = new PrettyPrinter(state);
        printer.Format(value, indent: 0, allowance: 0);
        return printer._text.ToString();
    }

    void Format(object? value, int indent, int allowance)
    {
        RenderState.CheckStack();
        string repr = PyRepr.Repr(Sorted(value), state.Budget);
        state.Budget.AllocateString(repr.Length);
        if (PyString.Length(repr) <= Width - indent - allowance) _text.Append(repr);
        else if (value is PyDict { Length: > 0 } dict) FormatDict(dict, indent, allowance + 1);
        else if (value is PyList list) FormatItems("[", list.Values, "]", indent, allowance);
        else if (value is PyTuple tuple)
            FormatItems("(", tuple.Values, tuple.Values.Length == 1 ? ",)" : ")", indent, allowance);
        else if (value is string text) FormatText(text, indent, allowance);
        else _text.Append(repr);
    }

    /// <summary>The value with all dicts in it sorted.</summary>
    object? Sorted(object? value)
    {
        RenderState.CheckStack();
        state.Budget.Step();
        switch (value)
        {
            case PyList list: return new PyList([.. list.Values.Select(Sorted)]);
            case PyTuple tuple: return new PyTuple([.. tuple.Values.Select(Sorted)]);
            case PyDict dict:
                var sorted = new PyDict(dict.Entries.Count);
                foreach ((object? key, object? item) in SortedEntries(dict)) sorted.Set(key, Sorted(item));
                return sorted;
            default: return value;
        }
    }

    KeyValuePair<object?, object?>[] SortedEntries(PyDict dict)
    {
        KeyValuePair<object?, object?>[] entries = [.. dict.Entries];
        try
        {
            return Ordering.Sort(entries, entry => entry.Key, reverse: false, state);
        }
        catch (ChatTemplateException exception) when (exception.Kind == ChatTemplateErrorKind.Type)
        {
            // keys of several types: Python sorts by the name of the type first
            return Ordering.Sort(entries, entry => PyType.NameOf(entry.Key), reverse: false, state);
        }
    }

    void FormatDict(PyDict dict, int indent, int allowance)
    {
        _text.Append('{');
        KeyValuePair<object?, object?>[] entries = SortedEntries(dict);
        for (int i = 0; i < entries.Length; i++)
        {
            bool isLast = i == entries.Length - 1;
            if (i > 0) NewLine(indent + 1);
            string key = PyRepr.Repr(Sorted(entries[i].Key), state.Budget);
            _text.Append(key).Append(": ");
            Format(entries[i].Value, indent + 1 + PyString.Length(key) + 2, isLast ? allowance : 1);
            if (!isLast) _text.Append(',');
        }
        _text.Append('}');
    }

    void FormatItems(string open, object?[] items, string close, int indent, int allowance)
    {
        _text.Append(open);
        for (int i = 0; i < items.Length; i++)
        {
            bool isLast = i == items.Length - 1;
            if (i > 0) NewLine(indent + 1);
            Format(items[i], indent + 1, isLast ? allowance + close.Length : 1);
            if (!isLast) _text.Append(',');
        }
        _text.Append(close);
    }

    void NewLine(int indent)
    {
        state.Budget.AllocateString(indent);
        _text.Append('\n').Append(' ', indent);
    }

    /// <summary>A long text as adjacent literals, broken after line ends and between words; in parentheses if it is the
    /// whole value.</summary>
    void FormatText(string text, int indent, int allowance)
    {
        bool isWhole = _text.Length == 0;
        if (isWhole) (indent, allowance) = (indent + 1, allowance + 1);
        List<string> literals = Literals(text, Width - indent, allowance);
        if (literals.Count == 1)
        {
            _text.Append(literals[0]);
            return;
        }
        if (isWhole) _text.Append('(');
        for (int i = 0; i < literals.Count; i++)
        {
            if (i > 0) NewLine(indent);
            _text.Append(literals[i]);
        }
        if (isWhole) _text.Append(')');
    }

    static List<string> Literals(string text, int width, int allowance)
    {
        var literals = new List<string>();
        string[] lines = [.. StringMethods.SplitLines(text, keepEnds: true)];
        for (int i = 0; i < lines.Length; i++)
        {
            bool isLastLine = i == lines.Length - 1;
            string repr = PyRepr.Repr(lines[i]);
            if (PyString.Length(repr) <= width - (isLastLine ? allowance : 0))
            {
                literals.Add(repr);
                continue;
            }
            string[] parts = [.. WordsWithSpace(lines[i])];
            string current = "";
            for (int j = 0; j < parts.Length; j++)
            {
                string candidate = current + parts[j];
                int limit = width - (isLastLine && j == parts.Length - 1 ? allowance : 0);
                if (PyString.Length(PyRepr.Repr(candidate)) > limit && current.Length > 0)
                {
                    literals.Add(PyRepr.Repr(current));
                    candidate = parts[j];
                }
                current = candidate;
            }
            if (current.Length > 0) literals.Add(PyRepr.Repr(current));
        }
        return literals;
    }

    /// <summary>Pieces of the form "not blank, then blank".</summary>
    static IEnumerable<string> WordsWithSpace(string line)
    {
        for (int start = 0, end; start < line.Length; start = end)
        {
            end = start;
            while (end < line.Length && !PyChar.IsSpace(line[end])) end++;
            while (end < line.Length && PyChar.IsSpace(line[end])) end++;
            yield return line[start..end];
        }
    }
}
