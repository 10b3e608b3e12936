using System.Numerics;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Python's <c>json.dumps</c>, as transformers' filter <c>tojson</c> calls it: no HTML escapes, characters
/// beyond ASCII as they are.</summary>
sealed class JsonWriter
{
    readonly StringBuilder _json = new();
    readonly Budget _budget;
    readonly RenderState _state;
    readonly bool _asciiOnly;
    readonly bool _sortKeys;
    readonly string? _indent;
    readonly string _itemSeparator;
    readonly string _keySeparator;
    int _level;
    int _depth;

    JsonWriter(RenderState state, bool asciiOnly, object? indent, object? separators, bool sortKeys)
    {
        _state = state;
        _budget = state.Budget;
        _asciiOnly = asciiOnly;
        _sortKeys = sortKeys;
        _indent = indent is null ? null : PyText.Of(indent) ?? Spaces(PyNumber.RequireIndex(indent));
        (_itemSeparator, _keySeparator) = (_indent is null ? ", " : ",", ": ");
        if (separators is null) return;
        object?[] pair = Iteration.ToArray(state, separators);
        if (pair.Length != 2) throw Error.Value($"not enough values to unpack (expected 2, got {pair.Length})");
        _itemSeparator = RequireText(pair[0], "separators");
        _keySeparator = RequireText(pair[1], "separators");
    }

    string Spaces(int count)
    {
        _budget.AllocateString(Math.Max(count, 0));
        return new string(' ', Math.Max(count, 0));
    }

    public static object? Filter(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        var writer = new JsonWriter(state, OrFalse(bound[0]), OrNone(bound[1]), OrNone(bound[2]), OrFalse(bound[3]));
        writer.Write(value);
        return writer._json.ToString();
    }

    void Write(object? value)
    {
        RenderState.CheckStack();
        if (_depth >= RenderLimits.MaxValueDepth) throw Error.Recursion();
        _depth++;
        _budget.Step();
        if (_json.Length > RenderLimits.MaxStringUnits) _budget.AllocateString(_json.Length);
        switch (value)
        {
            case string or Markup: WriteString(PyText.Of(value)!); break;
            case null or bool or long or BigInteger or double: _json.Append(Scalar(value)); break;
            case PyList list: WriteItems(list.Values); break;
            case PyTuple tuple: WriteItems(tuple.Values); break;
            case PyDict dict: WriteEntries(dict); break;
            default: throw Error.Type($"Object of type {PyType.NameOf(value)} is not JSON serializable");
        }
        _depth--;
    }

    static string Scalar(object? value) => value switch
    {
        null => "null",
        true => "true",
        false => "false",
        double.NaN => "NaN",
        double.PositiveInfinity => "Infinity",
        double.NegativeInfinity => "-Infinity",
        _ => PyRepr.Repr(value),
    };

    void WriteItems(object?[] items)
    {
        _json.Append('[');
        _level++;
        for (int i = 0; i < items.Length; i++)
        {
            Separate(isFirst: i == 0);
            Write(items[i]);
        }
        Close(isEmpty: items.Length == 0, ']');
    }

    void WriteEntries(PyDict dict)
    {
        IReadOnlyList<KeyValuePair<object?, object?>> entries = dict.Entries;
        if (_sortKeys) entries = Ordering.Sort([.. entries], entry => entry.Key, reverse: false, _state);
        _json.Append('{');
        _level++;
        for (int i = 0; i < entries.Count; i++)
        {
            Separate(isFirst: i == 0);
            WriteString(KeyText(entries[i].Key));
            _json.Append(_keySeparator);
            Write(entries[i].Value);
        }
        Close(isEmpty: entries.Count == 0, '}');
    }

    static string KeyText(object? key) => key switch
    {
        string or Markup => PyText.Of(key)!,
        null or bool or long or BigInteger or double => Scalar(key),
        _ => throw Error.Type($"keys must be str, int, float, bool or None, not {PyType.NameOf(key)}"),
    };

    void Separate(bool isFirst)
    {
        if (!isFirst) _json.Append(_itemSeparator);
        if (_indent is not null) NewLine();
    }

    void NewLine()
    {
        _json.Append('\n');
        for (int i = 0; i < _level; i++) _json.Append(_indent);
    }

    void Close(bool isEmpty, char bracket)
    {
        _level--;
        if (!isEmpty && _indent is not null) NewLine();
        _json.Append(bracket);
    }

    void WriteString(string text)
    {
        _json.Append('"');
        int copied = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c is >= ' ' and not ('"' or '\\') && (c <= 0x7f || !_asciiOnly)) continue;
            _json.Append(text, copied, i - copied).Append(Escape(c));
            copied = i + 1;
        }
        _json.Append(text, copied, text.Length - copied).Append('"');
    }

    static string Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\f' => "\\f",
        '\b' => "\\b",
        _ => $"\\u{(int)c:x4}",
    };
}
