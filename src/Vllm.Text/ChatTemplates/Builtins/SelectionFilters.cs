using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>An attribute argument such as <c>'function.name'</c> or <c>'items.0'</c>: the keys to follow.</summary>
sealed class AttributePath
{
    readonly object?[] _keys;
    readonly object? _default;

    AttributePath(object?[] keys, object? defaultValue)
    {
        _keys = keys;
        _default = defaultValue;
    }

    public static AttributePath Parse(object? attribute, object? defaultValue = null) => new(attribute switch
    {
        null => [],
        _ when PyText.Of(attribute) is { } text => [.. text.Split('.').Select(Key)],
        _ => [attribute],
    }, defaultValue);

    /// <summary>Several, with commas between them.</summary>
    public static AttributePath[] ParseMany(object? attribute) =>
        PyText.Of(attribute) is { } text ? [.. text.Split(',').Select(part => Parse(part))] : [Parse(attribute)];

    static object? Key(string part) =>
        part.Length > 0 && StringTests.IsDigit(part) ? NumberText.ParseInt(part, 10) ?? throw InvalidIndex(part) : part;

    static ChatTemplateException InvalidIndex(string part) =>
        Error.Value($"invalid literal for int() with base 10: {PyRepr.Repr(part)}");

    public object? Get(object? item)
    {
        foreach (object? key in _keys)
        {
            item = Access.GetItem(item, key);
            if (_default is not null && item is Undefined) item = _default;
        }
        return item;
    }
}

/// <summary>Filters that pick: by attribute, by test, by default.</summary>
static class SelectionFilters
{
    public static object? Attr(RenderState state, object? value, Arguments arguments)
    {
        object? name = arguments.Bind("do_attr", 1, "name")[0];
        if (PyText.Of(name) is not { } text) throw Error.Type("attribute name must be string, not " + PyType.NameOf(name));
        object? found = Access.FindAttribute(value, text);
        if (!IsMissing(found)) return found;
        return value is Undefined undefined ? throw undefined.Fail() : Undefined.Item(value, text);
    }

    public static object? Default(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_default", 0, "default_value", "boolean");
        bool replace = value is Undefined || (OrFalse(bound[1]) && !Truth.Of(value));
        return !replace ? value : IsMissing(bound[0]) ? "" : bound[0];
    }

    public static object? Map(RenderState state, object? value, Arguments arguments)
    {
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            if (!Truth.Of(value)) yield break;
            Func<object?, object?> map = PrepareMap(state, arguments);
            foreach (object? item in Iteration.Enumerate(state, value)) yield return map(item);
        }
    }

    static Func<object?, object?> PrepareMap(RenderState state, Arguments arguments)
    {
        if (arguments.Positional.Length == 0 && arguments.TryGetKeyword("attribute", out object? attribute))
        {
            foreach ((string name, _) in arguments.Keywords)
                if (name is not ("attribute" or "default"))
                    throw Error.Runtime($"Unexpected keyword argument '{name}'");
            arguments.TryGetKeyword("default", out object? defaultValue);
            return AttributePath.Parse(attribute, defaultValue).Get;
        }
        if (arguments.Positional.Length == 0) throw Error.Runtime("map requires a filter argument");
        Filter filter = FindFilter(arguments.Positional[0], state);
        Arguments rest = arguments.Skip(1);
        return item => Invocation.Filter(filter, item, rest, state);
    }

    static Filter FindFilter(object? name, RenderState state) =>
        (PyText.Of(name) is { } text ? Filters.Find(text) : null)
        ?? throw Error.Runtime($"No filter named {PyRepr.Repr(name, state.Budget)}.");

    public static object? Select(RenderState state, object? value, Arguments arguments) =>
        Pick(state, value, arguments, keep: true, byAttribute: false);

    public static object? Reject(RenderState state, object? value, Arguments arguments) =>
        Pick(state, value, arguments, keep: false, byAttribute: false);

    public static object? SelectAttr(RenderState state, object? value, Arguments arguments) =>
        Pick(state, value, arguments, keep: true, byAttribute: true);

    public static object? RejectAttr(RenderState state, object? value, Arguments arguments) =>
        Pick(state, value, arguments, keep: false, byAttribute: true);

    static PyIterator Pick(RenderState state, object? value, Arguments arguments, bool keep, bool byAttribute)
    {
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            if (!Truth.Of(value)) yield break;
            Func<object?, bool> test = PrepareTest(state, arguments, byAttribute);
            foreach (object? item in Iteration.Enumerate(state, value))
                if (test(item) == keep)
                    yield return item;
        }
    }

    static Func<object?, bool> PrepareTest(RenderState state, Arguments arguments, bool byAttribute)
    {
        if (byAttribute)
        {
            if (arguments.Positional.Length == 0) throw Error.Runtime("Missing parameter for attribute name");
            AttributePath path = AttributePath.Parse(arguments.Positional[0]);
            Func<object?, bool> inner = PrepareTest(state, arguments.Skip(1), byAttribute: false);
            return item => inner(path.Get(item));
        }
        if (arguments.Positional.Length == 0) return Truth.Of;
        object? name = arguments.Positional[0];
        Test test = (PyText.Of(name) is { } text ? Tests.Find(text) : null)
            ?? throw Error.Runtime($"No test named {PyRepr.Repr(name, state.Budget)}.");
        Arguments rest = arguments.Skip(1);
        return item => test(state, item, rest);
    }
}
