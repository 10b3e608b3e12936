using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>The variable <c>loop</c>. Items are fetched one by one; asking for the next item, or for the length of
/// something that has none, fetches ahead.</summary>
sealed class LoopContext : PyObject, ICallable
{
    readonly Func<object?, string>? _recurse;
    readonly int _depth;
    readonly List<object?> _ahead = [];
    IEnumerator<object?> _items;
    int? _length;
    int _index = -1;
    object? _previous = Missing.Value;
    object? _lastChanged = Missing.Value;

    public LoopContext(RenderState state, object? items, int depth, Func<object?, string>? recurse)
    {
        _depth = depth;
        _recurse = recurse;
        _items = Iteration.Enumerate(state, items).GetEnumerator();
        _length = Iteration.TryLength(items);
    }

    public object? Current { get; private set; } = Missing.Value;

    public override string TypeName => "LoopContext";

    public override string QualifiedTypeName => "jinja2.runtime.LoopContext";

    public override int? Length => CountItems();

    public override void WriteRepr(ReprWriter writer) => writer.Append($"<LoopContext {_index + 1}/{CountItems()}>");

    public bool MoveNext()
    {
        object? next = PeekNext();
        if (ReferenceEquals(next, Missing.Value)) return false;
        _ahead.RemoveAt(0);
        _index++;
        _previous = Current;
        Current = next;
        return true;
    }

    object? PeekNext()
    {
        if (_ahead.Count == 0 && _items.MoveNext()) _ahead.Add(_items.Current);
        return _ahead.Count == 0 ? Missing.Value : _ahead[0];
    }

    int CountItems()
    {
        if (_length is { } known) return known;
        while (_items.MoveNext()) _ahead.Add(_items.Current);
        // The rest becomes the source again: taking items one by one off the front of a list would be quadratic.
        int length = _index + 1 + _ahead.Count;
        _items = _ahead.ToArray().AsEnumerable().GetEnumerator();
        _ahead.Clear();
        _length = length;
        return length;
    }

    public override object? GetAttribute(string name) => name switch
    {
        "index" => Boxed.Int(_index + 1),
        "index0" => Boxed.Int(_index),
        "revindex" => Boxed.Int(CountItems() - _index),
        "revindex0" => Boxed.Int(CountItems() - _index - 1),
        "first" => Boxed.Bool(_index == 0),
        "last" => Boxed.Bool(ReferenceEquals(PeekNext(), Missing.Value)),
        "length" => Boxed.Int(CountItems()),
        "depth" => Boxed.Int(_depth + 1),
        "depth0" => Boxed.Int(_depth),
        "previtem" => _index == 0 ? Undefined.Hint("there is no previous item") : _previous,
        "nextitem" => PeekNext() is var next && ReferenceEquals(next, Missing.Value)
            ? Undefined.Hint("there is no next item") : next,
        "cycle" => new NativeFunction("cycle", Cycle),
        "changed" => new NativeFunction("changed", Changed),
        _ => Missing.Value,
    };

    object? Cycle(RenderState state, Arguments arguments)
    {
        object?[] items = arguments.Positional;
        if (items.Length == 0) throw Error.Type("no items for cycling given");
        return items[_index % items.Length];
    }

    object? Changed(RenderState state, Arguments arguments)
    {
        var value = new PyTuple(arguments.Positional);
        if (!ReferenceEquals(_lastChanged, Missing.Value) && PyEquality.AreEqual(_lastChanged, value, state.Budget))
            return Boxed.False;
        _lastChanged = value;
        return Boxed.True;
    }

    public object? Call(RenderState state, Arguments arguments)
    {
        object? items = arguments.Bind("__call__", 1, "iterable")[0];
        if (_recurse is null)
            throw Error.Type("The loop must have the 'recursive' marker to be called recursively.");
        return _recurse(items);
    }
}
