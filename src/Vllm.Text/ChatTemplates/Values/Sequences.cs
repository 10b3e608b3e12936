using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>A list. Templates cannot change one: the sandbox refuses its methods that would.</summary>
sealed class PyList(object?[] values) : PyObject
{
    public object?[] Values => values;

    public override string TypeName => "list";

    public override int? Length => values.Length;

    public override IEnumerable<object?> Items => values;

    public override object? GetItem(object? key) => Slicing.ItemAt(values, key);

    public override object? GetAttribute(string name) => SequenceMethods.Find(this, name);

    public override void WriteRepr(ReprWriter writer) => writer.WriteItems("[", values, "]");

    public override bool IsEqualTo(object? other, Budget? budget, int depth) =>
        other is PyList list && PyEquality.AreEqual(values, list.Values, budget, depth);

    public override int ComputeHash(int depth) => throw Error.Type("unhashable type: 'list'");
}

/// <summary>A tuple.</summary>
class PyTuple(object?[] values) : PyObject
{
    public object?[] Values => values;

    public override string TypeName => "tuple";

    public override int? Length => values.Length;

    public override IEnumerable<object?> Items => values;

    public override object? GetItem(object? key) => Slicing.ItemAt(values, key);

    public override object? GetAttribute(string name) => SequenceMethods.Find(this, name);

    public override void WriteRepr(ReprWriter writer) =>
        writer.WriteItems("(", values, values.Length == 1 ? ",)" : ")");

    public override bool IsEqualTo(object? other, Budget? budget, int depth) =>
        other is PyTuple tuple && PyEquality.AreEqual(values, tuple.Values, budget, depth);

    public override int ComputeHash(int depth)
    {
        var hash = new HashCode();
        foreach (object? value in values) hash.Add(PyEquality.Hash(value, depth + 1));
        return hash.ToHashCode();
    }
}

/// <summary>An item of the filter <c>groupby</c>: a pair with named parts.</summary>
sealed class GroupTuple(object? grouper, PyList items) : PyTuple([grouper, items])
{
    public override string TypeName => "_GroupTuple";

    public override string QualifiedTypeName => "jinja2.filters._GroupTuple";

    public override object? GetAttribute(string name) => name switch
    {
        "grouper" => Values[0],
        "list" => Values[1],
        _ => base.GetAttribute(name),
    };
}

/// <summary><c>range(start, stop, step)</c>.</summary>
sealed class PyRange(long start, long stop, long step, int length) : PyObject
{
    public long Start => start;

    public long Step => step;

    public int Count => length;

    public override string TypeName => "range";

    public override int? Length => length;

    public override IEnumerable<object?> Items
    {
        get
        {
            for (int i = 0; i < length; i++) yield return Boxed.Int(start + i * step);
        }
    }

    public bool Contains(long value) =>
        length > 0 && (value - start) % step == 0 && (value - start) / step is >= 0 and var index && index < length;

    public override object? GetItem(object? key) =>
        PyNumber.AsIndex(key) is { } index && (index < 0 ? index + length : index) is var i && i >= 0 && i < length
            ? Boxed.Int(start + i * step)
            : Missing.Value;

    public override object? GetAttribute(string name) => name switch
    {
        "start" => Boxed.Int(start),
        "stop" => Boxed.Int(stop),
        "step" => Boxed.Int(step),
        _ => SequenceMethods.Find(this, name),
    };

    public override void WriteRepr(ReprWriter writer) =>
        writer.Append(step == 1 ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})");

    public override bool IsEqualTo(object? other, Budget? budget, int depth) =>
        other is PyRange range && range.Count == length &&
        (length == 0 || (range.Start == start && (length == 1 || range.Step == step)));

    public override int ComputeHash(int depth) => length == 0 ? 0 : HashCode.Combine(start, length);
}

/// <summary>An iterator: gives its items once.</summary>
sealed class PyIterator(IEnumerable<object?> items, string typeName) : PyObject
{
    readonly IEnumerator<object?> _items = items.GetEnumerator();

    public override string TypeName => typeName;

    public override IEnumerable<object?> Items
    {
        get
        {
            while (_items.MoveNext()) yield return _items.Current;
        }
    }

    public override void WriteRepr(ReprWriter writer) => writer.Append($"<{typeName} object>");
}
