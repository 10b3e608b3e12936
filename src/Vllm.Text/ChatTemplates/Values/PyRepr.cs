using System.Globalization;
using System.Numerics;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Python's <c>str()</c> and <c>repr()</c>.</summary>
static class PyRepr
{
    public static string Str(object? value, Budget? budget = null) => value switch
    {
        string text => text,
        Markup markup => markup.Content,
        Undefined => "",
        _ => Repr(value, budget),
    };

    public static string Repr(object? value, Budget? budget = null)
    {
        if (Scalar(value) is { } scalar) return scalar;
        var writer = new ReprWriter(budget);
        writer.Write(value);
        return writer.ToString();
    }

    /// <summary>The repr of what has no parts, otherwise <c>null</c>.</summary>
    public static string? Scalar(object? value) => value switch
    {
        null => "None",
        bool b => b ? "True" : "False",
        long i => i.ToString(CultureInfo.InvariantCulture),
        BigInteger big => PyNumber.ToText(big),
        double d => FloatFormat.Repr(d),
        _ => null,
    };
}

/// <summary>Writes the repr of nested values.</summary>
sealed class ReprWriter(Budget? budget)
{
    readonly StringBuilder _text = new();
    int _depth;

    public void Append(string text) => _text.Append(text);

    public override string ToString() => _text.ToString();

    public void Write(object? value)
    {
        RenderState.CheckStack();
        if (_depth >= RenderLimits.MaxValueDepth) throw Error.Recursion();
        _depth++;
        budget?.Step();
        // A list that holds one list twice, and so on, has a text that doubles with each level.
        if (_text.Length > RenderLimits.MaxStringUnits) budget?.AllocateString(_text.Length);
        if (value is string text) WriteString(text);
        else if (value is PyObject other) other.WriteRepr(this);
        else _text.Append(PyRepr.Scalar(value));
        _depth--;
    }

    public void WriteItems(string open, object?[] items, string close)
    {
        _text.Append(open);
        for (int i = 0; i < items.Length; i++)
        {
            if (i > 0) _text.Append(", ");
            Write(items[i]);
        }
        _text.Append(close);
    }

    public void WriteEntries(IReadOnlyList<KeyValuePair<object?, object?>> entries)
    {
        _text.Append('{');
        for (int i = 0; i < entries.Count; i++)
        {
            if (i > 0) _text.Append(", ");
            Write(entries[i].Key);
            _text.Append(": ");
            Write(entries[i].Value);
        }
        _text.Append('}');
    }

    public void WriteString(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        _text.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            switch (c)
            {
                case '\\': _text.Append("\\\\"); break;
                case '\n': _text.Append("\\n"); break;
                case '\r': _text.Append("\\r"); break;
                case '\t': _text.Append("\\t"); break;
                case '\'' or '"':
                    if (c == quote) _text.Append('\\');
                    _text.Append(c);
                    break;
                case >= ' ' and < '\x7f': _text.Append(c); break;
                default:
                    int code = PyString.CodePointValueAt(text, i);
                    if (!PyChar.IsPrintable(code)) _text.Append(Escape(code));
                    else PyString.AppendCodePoint(_text, code);
                    if (code > 0xFFFF) i++;
                    break;
            }
        }
        _text.Append(quote);
    }

    static string Escape(int code) => code switch
    {
        < 0x100 => $"\\x{code:x2}",
        < 0x10000 => $"\\u{code:x4}",
        _ => $"\\U{code:x8}",
    };
}
