using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>A dict: keeps the order of its keys. Changed only while it is made.</summary>
sealed class PyDict(int capacity = 0) : PyObject
{
    /// <summary>Messages have a handful of keys: comparing those is faster than hashing.</summary>
    const int LinearSearchLimit = 8;

    readonly List<KeyValuePair<object?, object?>> _entries = new(capacity);
    Dictionary<PyKey, int>? _index;

    public IReadOnlyList<KeyValuePair<object?, object?>> Entries => _entries;

    public IEnumerable<object?> Keys => _entries.Select(entry => entry.Key);

    public override string TypeName => "dict";

    public override int? Length => _entries.Count;

    public override IEnumerable<object?> Items => Keys;

    public void Set(object? key, object? value)
    {
        int index = Find(key);
        if (index >= 0)
        {
            _entries[index] = new(_entries[index].Key, value);
            return;
        }
        _entries.Add(new(key, value));
        if (_index is not null) _index[new PyKey(key)] = _entries.Count - 1;
        else if (_entries.Count > LinearSearchLimit) BuildIndex();
    }

    public bool TryGet(object? key, out object? value)
    {
        int index = Find(key);
        value = index < 0 ? null : _entries[index].Value;
        return index >= 0;
    }

    int Find(object? key)
    {
        if (_index is not null) return _index.TryGetValue(new PyKey(key), out int found) ? found : -1;
        if (key is not string) PyEquality.Hash(key); // refuses keys that cannot be hashed
        for (int i = 0; i < _entries.Count; i++)
            if (key is string text
                && _entries[i].Key is string other ? text == other : PyEquality.AreEqual(_entries[i].Key, key))
                return i;
        return -1;
    }

    void BuildIndex()
    {
        _index = new Dictionary<PyKey, int>(_entries.Count * 2);
        for (int i = 0; i < _entries.Count; i++) _index[new PyKey(_entries[i].Key)] = i;
    }

    public PyDict Copy()
    {
        var copy = new PyDict(_entries.Count);
        foreach ((object? key, object? value) in _entries) copy.Set(key, value);
        return copy;
    }

    public override object? GetItem(object? key)
    {
        if (!PyEquality.IsHashable(key)) return Missing.Value;
        return TryGet(key, out object? value) ? value : Missing.Value;
    }

    public override object? GetAttribute(string name) => DictMethods.Find(this, name);

    public override void WriteRepr(ReprWriter writer) => writer.WriteEntries(_entries);

    public override bool IsEqualTo(object? other, Budget? budget, int depth)
    {
        if (other is not PyDict dict || dict._entries.Count != _entries.Count) return false;
        foreach ((object? key, object? value) in _entries)
            if (!dict.TryGet(key, out object? otherValue) || !PyEquality.AreEqual(value, otherValue, budget, depth + 1))
                return false;
        return true;
    }

    public override int ComputeHash(int depth) => throw Error.Type("unhashable type: 'dict'");

    readonly record struct PyKey(object? Key)
    {
        public bool Equals(PyKey other) => PyEquality.AreEqual(Key, other.Key);

        public override int GetHashCode() => PyEquality.Hash(Key);
    }
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> give.</summary>
sealed class DictView(PyDict dict, string typeName) : PyObject
{
    public PyDict Dict => dict;

    public override string TypeName => typeName;

    public override int? Length => dict.Length;

    /// <summary>Keys and items can be compared and subtracted like sets; values cannot.</summary>
    public bool IsSetLike => typeName != "dict_values";

    public override IEnumerable<object?> Items => typeName switch
    {
        "dict_keys" => dict.Keys,
        "dict_values" => dict.Entries.Select(entry => entry.Value),
        _ => dict.Entries.Select(entry => (object?)new PyTuple([entry.Key, entry.Value])),
    };

    public override object? GetAttribute(string name) => name switch
    {
        "isdisjoint" when IsSetLike => new NativeFunction(name, IsDisjoint),
        _ => Missing.Value,
    };

    object? IsDisjoint(RenderState state, Arguments arguments)
    {
        object? other = arguments.Bind("isdisjoint", 1, "/other")[0];
        foreach (object? item in Iteration.Enumerate(state, other))
        {
            state.Budget.Step(dict.Entries.Count);
            if (Items.Any(own => PyEquality.AreEqual(own, item, state.Budget)))
                return Boxed.False;
        }
        return Boxed.True;
    }

    public override void WriteRepr(ReprWriter writer) => writer.WriteItems($"{typeName}([", [.. Items], "])");

    public override bool IsEqualTo(object? other, Budget? budget, int depth)
    {
        if (ReferenceEquals(this, other)) return true;
        if (!IsSetLike || other is not DictView { IsSetLike: true } view || view.Length != Length) return false;
        budget?.Step((long)dict.Entries.Count * dict.Entries.Count);
        return Items.All(item => view.Items.Any(own => PyEquality.AreEqual(own, item, budget, depth + 1)));
    }

    public override int ComputeHash(int depth) =>
        IsSetLike ? throw Error.Type($"unhashable type: '{typeName}'") : base.ComputeHash(depth);
}
