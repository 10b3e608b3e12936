using System.Collections.Frozen;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>What templates find without being given it: Jinja's own names and the two that transformers adds.</summary>
static class Globals
{
    /// <summary>The sandbox's limit.</summary>
    const int MaxRange = 100_000;

    static readonly FrozenDictionary<string, object> All = new Dictionary<string, object>
    {
        ["range"] = new NativeFunction("range", Range),
        ["dict"] = new PyClass("dict", Dict, name =>
            name == "fromkeys" ? new NativeFunction(name, DictMethods.FromKeys) : null),
        ["namespace"] = new PyClass("transformers.utils.chat_template_utils.TemplateNamespace", NewNamespace),
        ["cycler"] = new PyClass("jinja2.utils.Cycler", NewCycler),
        ["joiner"] = new PyClass("jinja2.utils.Joiner", NewJoiner),
        ["lipsum"] = new NativeFunction("lipsum", Lipsum.Generate),
        ["raise_exception"] = new NativeFunction("raise_exception", RaiseException),
        ["strftime_now"] = new NativeFunction("strftime_now", FormatNow),
    }.ToFrozenDictionary();

    /// <summary>The value, or <see cref="Missing"/>.</summary>
    public static object Find(string name) => All.TryGetValue(name, out object? value) ? value : Missing.Value;

    static object? RaiseException(RenderState state, Arguments arguments)
    {
        object? message = arguments.Bind("raise_exception", 1, "message")[0];
        throw new ChatTemplateException(ChatTemplateErrorKind.Raise, PyRepr.Str(message, state.Budget));
    }

    static object? FormatNow(RenderState state, Arguments arguments)
    {
        string format = RequireText(arguments.Bind("strftime_now", 1, "format")[0], "strftime()");
        return TimeFormat.Format(state.Clock.GetLocalNow().DateTime, format);
    }

    static object? Range(RenderState state, Arguments arguments)
    {
        object?[] given = arguments.Positional;
        if (arguments.Keywords.Count > 0) throw Error.Type("range() takes no keyword arguments");
        if (given.Length is 0 or > 3) throw Error.Type($"range expected 1 to 3 arguments, got {given.Length}");
        long start = given.Length == 1 ? 0 : Integer(given[0]), stop = Integer(given[given.Length == 1 ? 0 : 1]);
        long step = given.Length == 3 ? Integer(given[2]) : 1;
        if (step == 0) throw Error.Value("range() arg 3 must not be zero");
        Int128 span = (Int128)stop - start;
        Int128 length = step > 0 ? (span + step - 1) / step : (span + step + 1) / step;
        if (length > MaxRange)
            throw Error.Overflow($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");
        return new PyRange(start, stop, step, (int)Int128.Max(length, 0));
    }

    static long Integer(object? value)
    {
        PyNumber.RequireIndex(value);
        return value switch
        {
            long i => i,
            bool b => b ? 1 : 0,
            _ => throw Error.Overflow("range() arguments beyond 64 bits are not supported"),
        };
    }

    static object? Dict(RenderState state, Arguments arguments)
    {
        if (arguments.Positional.Length > 1)
            throw Error.Type($"dict expected at most 1 argument, got {arguments.Positional.Length}");
        var dict = new PyDict();
        foreach ((object? key, object? value) in Entries(state, arguments)) dict.Set(key, value);
        return dict;
    }

    /// <summary>What <c>dict(…)</c> would hold: a mapping or pairs, then the keyword arguments.</summary>
    static IEnumerable<KeyValuePair<object?, object?>> Entries(RenderState state, Arguments arguments)
    {
        if (arguments.Positional is [Undefined undefined, ..]) throw undefined.Fail();
        if (arguments.Positional is [PyDict dict, ..])
            foreach (KeyValuePair<object?, object?> entry in dict.Entries)
                yield return entry;
        else if (arguments.Positional is [var pairs, ..])
            foreach (object? pair in Iteration.Enumerate(state, pairs))
            {
                if (!Iteration.IsIterable(pair)) throw Error.Type("cannot convert dictionary update sequence element to a sequence");
                object?[] parts = Iteration.ToArray(state, pair);
                if (parts.Length != 2)
                    throw Error.Value($"dictionary update sequence element has length {parts.Length}; 2 is required");
                yield return new(parts[0], parts[1]);
            }
        foreach ((string name, object? value) in arguments.Keywords) yield return new(name, value);
    }

    static object? NewNamespace(RenderState state, Arguments arguments)
    {
        if (arguments.Positional.Length > 1)
            throw Error.Type($"dict expected at most 1 argument, got {arguments.Positional.Length}");
        var result = new Namespace();
        foreach ((object? key, object? value) in Entries(state, arguments))
            result.Set(PyText.Of(key) ?? throw Error.Type("attribute name must be string"), value);
        return result;
    }

    static object? NewCycler(RenderState state, Arguments arguments)
    {
        if (arguments.Keywords.Count > 0) throw Error.Type("Cycler() takes no keyword arguments");
        if (arguments.Positional.Length == 0) throw Error.Runtime("at least one item has to be provided");
        return new Cycler(arguments.Positional);
    }

    static object? NewJoiner(RenderState state, Arguments arguments)
    {
        object? separator = arguments.Bind("Joiner", 0, "sep")[0];
        return new Joiner(IsMissing(separator) ? ", " : separator);
    }
}
