using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

delegate object? NativeCode(RenderState state, Arguments arguments);

/// <summary>A function of the environment or a method of a value.</summary>
sealed class NativeFunction(string name, NativeCode code) : PyObject, ICallable
{
    public override string TypeName => "builtin_function_or_method";

    public override void WriteRepr(ReprWriter writer) => writer.Append($"<built-in function {name}>");

    public object? Call(RenderState state, Arguments arguments) => code(state, arguments);
}

/// <summary>A class of the environment, such as <c>dict</c>.</summary>
sealed class PyClass(string qualifiedName, NativeCode construct, Func<string, object?>? attribute = null)
    : PyObject, ICallable
{
    public override string TypeName => "type";

    public override void WriteRepr(ReprWriter writer) => writer.Append($"<class '{qualifiedName}'>");

    public override object? GetAttribute(string name) => attribute?.Invoke(name) ?? Missing.Value;

    public object? Call(RenderState state, Arguments arguments) => construct(state, arguments);
}

/// <summary><c>namespace(…)</c>: the one thing whose attributes a template can set.</summary>
sealed class Namespace : PyObject
{
    readonly PyDict _attributes = new();

    public override string TypeName => "TemplateNamespace";

    public override string QualifiedTypeName => "transformers.utils.chat_template_utils.TemplateNamespace";

    public void Set(string name, object? value)
    {
        if (name.StartsWith('_'))
            throw Error.Security("Chat templates cannot store underscore-prefixed attributes on a namespace, but got " +
                $"{PyRepr.Repr(name)}. Please rename the attribute.");
        _attributes.Set(name, value);
    }

    public override object? GetAttribute(string name) =>
        _attributes.TryGet(name, out object? value) ? value : Missing.Value;

    public override void WriteRepr(ReprWriter writer)
    {
        writer.Append("<Namespace ");
        writer.WriteEntries(_attributes.Entries);
        writer.Append(">");
    }
}

/// <summary><c>cycler(…)</c>: its items in turn.</summary>
sealed class Cycler(object?[] items) : PyObject
{
    int _position;

    public override string TypeName => "Cycler";

    public override string QualifiedTypeName => "jinja2.utils.Cycler";

    public override object? GetAttribute(string name) => name switch
    {
        "items" => new PyTuple(items),
        "pos" => Boxed.Int(_position),
        "current" => items[_position],
        "next" => new NativeFunction(name, Next),
        "reset" => new NativeFunction(name, Reset),
        _ => Missing.Value,
    };

    object? Next(RenderState state, Arguments arguments)
    {
        arguments.RequireNone("next");
        object? item = items[_position];
        _position = (_position + 1) % items.Length;
        return item;
    }

    object? Reset(RenderState state, Arguments arguments)
    {
        arguments.RequireNone("reset");
        _position = 0;
        return null;
    }

    public override void WriteRepr(ReprWriter writer) => writer.Append("<jinja2.utils.Cycler object>");
}

/// <summary><c>joiner(sep)</c>: empty when it is called first, the separator after that.</summary>
sealed class Joiner(object? separator) : PyObject, ICallable
{
    bool _used;

    public override string TypeName => "Joiner";

    public override string QualifiedTypeName => "jinja2.utils.Joiner";

    public override object? GetAttribute(string name) => name switch
    {
        "sep" => separator,
        "used" => Boxed.Bool(_used),
        _ => Missing.Value,
    };

    public object? Call(RenderState state, Arguments arguments)
    {
        arguments.RequireNone("__call__");
        if (_used) return separator;
        _used = true;
        return "";
    }

    public override void WriteRepr(ReprWriter writer) => writer.Append("<jinja2.utils.Joiner object>");
}

/// <summary>Bytes, as <c>encode()</c> gives them.</summary>
sealed class PyBytes(byte[] content) : PyObject
{
    public byte[] Content => content;

    public override string TypeName => "bytes";

    public override int? Length => content.Length;

    public override IEnumerable<object?> Items => content.Select(value => (object?)Boxed.Int(value));

    public override object? GetItem(object? key) =>
        PyNumber.AsIndex(key) is { } index && (index < 0 ? index + content.Length : index) is var i &&
        (uint)i < (uint)content.Length
            ? Boxed.Int(content[i])
            : Missing.Value;

    public override object? GetAttribute(string name) => Builtins.BytesMethods.Find(this, name);

    public override void WriteRepr(ReprWriter writer)
    {
        char quote = content.Contains((byte)'\'') && !content.Contains((byte)'"') ? '"' : '\'';
        writer.Append($"b{quote}");
        foreach (byte value in content)
            writer.Append(value switch
            {
                (byte)'\\' => "\\\\",
                (byte)'\n' => "\\n",
                (byte)'\r' => "\\r",
                (byte)'\t' => "\\t",
                _ when value == quote => $"\\{quote}",
                < 0x20 or >= 0x7f => $"\\x{value:x2}",
                _ => ((char)value).ToString(),
            });
        writer.Append(quote.ToString());
    }

    public override bool IsEqualTo(object? other, Budget? budget, int depth) =>
        other is PyBytes bytes && bytes.Content.AsSpan().SequenceEqual(content);

    public override int ComputeHash(int depth)
    {
        var hash = new HashCode();
        hash.AddBytes(content);
        return hash.ToHashCode();
    }
}
