using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>Attributes and items as the immutable sandbox gives them: <c>a.b</c> is the attribute, else the item;
/// <c>a['b']</c> the item, else the attribute; what begins with an underscore or would change its object is
/// hidden.</summary>
static class Access
{
    public static object? GetAttribute(object? value, string name)
    {
        object? found = FindAttribute(value, name);
        if (!ReferenceEquals(found, Missing.Value)) return found;
        if (value is Undefined undefined) throw undefined.Fail();
        found = FindItem(value, name);
        return ReferenceEquals(found, Missing.Value) ? Undefined.Item(value, name) : found;
    }

    public static object? GetItem(object? value, object? key)
    {
        if (value is Undefined undefined) throw undefined.Fail();
        object? found = FindItem(value, key);
        if (!ReferenceEquals(found, Missing.Value)) return found;
        if (PyText.Of(key) is { } name) found = FindAttribute(value, name);
        return ReferenceEquals(found, Missing.Value) ? Undefined.Item(value, key) : found;
    }

    static object? FindItem(object? value, object? key) => value switch
    {
        string text => Slicing.CharacterAt(text, key),
        Markup markup =>
            Slicing.CharacterAt(markup.Content, key) is string character ? new Markup(character) : Missing.Value,
        PyObject other => other.GetItem(key),
        _ => Missing.Value,
    };

    /// <summary>The attribute; an undefined if it exists but is hidden; <see cref="Missing"/> if there is
    /// none.</summary>
    public static object? FindAttribute(object? value, string name)
    {
        if (name.StartsWith('_'))
            return HiddenAttributes.Exists(value, name) ? Undefined.Unsafe(value, name) : Missing.Value;
        object? found = value switch
        {
            string text => StringMethods.Find(text, isMarkup: false, name),
            Markup markup => StringMethods.Find(markup.Content, isMarkup: true, name),
            double d => NumberMethods.Find(d, name),
            PyObject other => other.GetAttribute(name),
            null => Missing.Value,
            _ => NumberMethods.Find(PyNumber.ToBig(value), name),
        };
        return ReferenceEquals(found, Missing.Value) && HiddenAttributes.IsMutating(value, name)
            ? Undefined.Unsafe(value, name)
            : found;
    }
}

/// <summary>Attributes that exist in Python but that the sandbox hides. Reading one gives an undefined; only using that
/// is the security error.</summary>
static class HiddenAttributes
{
    static readonly HashSet<string> OfObjects =
    [
        "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__",
        "__getstate__", "__gt__", "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__",
        "__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__",
    ];

    static readonly HashSet<string> OfSequences =
        ["__add__", "__contains__", "__getitem__", "__iter__", "__len__", "__mul__", "__rmul__"];

    static readonly HashSet<string> OfDicts =
    [
        "__class_getitem__", "__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__", "__or__",
        "__reversed__", "__ror__", "__setitem__",
    ];

    static readonly HashSet<string> OfStrings = ["__getnewargs__", "__mod__", "__rmod__"];
    static readonly HashSet<string> OfMarkup =
    [
        "__html__", "__html_format__", "__radd__", "__dict__", "__module__", "__slots__", "__annotations__",
        "__orig_bases__",
    ];

    static readonly HashSet<string> OfLists =
        ["__class_getitem__", "__delitem__", "__iadd__", "__imul__", "__reversed__", "__setitem__"];

    static readonly HashSet<string> OfNumbers =
    [
        "__abs__", "__add__", "__bool__", "__ceil__", "__divmod__", "__float__", "__floor__", "__floordiv__",
        "__getnewargs__", "__int__", "__mod__", "__mul__", "__neg__", "__pos__", "__pow__", "__radd__", "__rdivmod__",
        "__rfloordiv__", "__rmod__", "__rmul__", "__round__", "__rpow__", "__rsub__", "__rtruediv__", "__sub__",
        "__truediv__", "__trunc__",
    ];

    static readonly HashSet<string> OfFunctions =
    [
        "__annotations__", "__builtins__", "__call__", "__closure__", "__code__", "__defaults__", "__dict__", "__get__",
        "__globals__", "__kwdefaults__", "__module__", "__name__", "__qualname__", "__self__", "__type_params__",
        "__func__",
        "__mro__", "__bases__", "__base__", "__subclasses__", "__text_signature__",
    ];

    static readonly HashSet<string> OfInstances = ["__dict__", "__module__", "__weakref__", "__annotations__"];

    public static bool Exists(object? value, string name)
    {
        if (OfObjects.Contains(name)) return value is not Namespace || name == "__class__";
        return value switch
        {
            string => OfSequences.Contains(name) || OfStrings.Contains(name),
            Markup => OfSequences.Contains(name) || OfStrings.Contains(name) || OfMarkup.Contains(name),
            PyList => OfSequences.Contains(name) || OfLists.Contains(name),
            PyTuple => OfSequences.Contains(name) || name is "__class_getitem__" or "__getnewargs__",
            PyDict => OfDicts.Contains(name),
            NativeFunction or PyClass => OfFunctions.Contains(name),
            Namespace => name == "_Namespace__attrs",
            Undefined => name is "_fail_with_undefined_error" or "__call__" ||
                name.StartsWith("_undefined", StringComparison.Ordinal) || OfInstances.Contains(name) ||
                OfSequences.Contains(name) || OfNumbers.Contains(name),
            PyObject => OfInstances.Contains(name) || (value is ICallable && name == "__call__"),
            null => name == "__bool__",
            _ => OfNumbers.Contains(name),
        };
    }

    public static bool IsMutating(object? value, string name) => value switch
    {
        PyDict => name is "clear" or "pop" or "popitem" or "setdefault" or "update",
        PyList => name is "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove",
        _ => false,
    };
}
