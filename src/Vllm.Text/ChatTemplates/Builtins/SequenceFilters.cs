using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filters on sequences. Those that are generators in Jinja are lazy here too: what is wrong with an item is
/// found when that item is asked for.</summary>
static class SequenceFilters
{
    public static object? Length(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("len");
        return Boxed.Int(Iteration.Length(value));
    }

    public static object? List(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_list");
        return new PyList(Iteration.ToArray(state, value));
    }

    public static object? First(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_first");
        foreach (object? item in Iteration.Enumerate(state, value)) return item;
        return Undefined.Hint("No first item, sequence was empty.");
    }

    public static object? Last(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_last");
        if (value is PyList { Values: [.., var last] }) return last;
        foreach (object? item in Reversed(state, value)) return item;
        return Undefined.Hint("No last item, sequence was empty.");
    }

    static bool IsReversible(object? value) =>
        value is string or Markup or PyList or PyTuple or PyDict or DictView or PyRange or PyBytes or Undefined;

    static object?[] Reversed(RenderState state, object? value)
    {
        if (!IsReversible(value)) throw Error.Type($"'{PyType.NameOf(value)}' object is not reversible");
        object?[] items = [.. Iteration.ToArray(state, value)];
        Array.Reverse(items);
        return items;
    }

    public static object? Reverse(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_reverse");
        if (PyText.Of(value) is { } text)
        {
            string reversed = string.Concat(PyString.CodePoints(text).Reverse());
            return value is Markup ? new Markup(reversed) : reversed;
        }
        if (IsReversible(value))
            return new PyIterator(Reversed(state, value), $"{PyType.NameOf(value)}_reverseiterator");
        if (!Iteration.IsIterable(value)) throw Error.Runtime("argument must be iterable");
        object?[] items = [.. Iteration.ToArray(state, value)];
        Array.Reverse(items);
        return new PyList(items);
    }

    public static object? Random(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_random");
        int length = Iteration.Length(value);
        return length == 0
            ? Undefined.Hint("No random item, sequence was empty.")
            : Access.GetItem(value, Boxed.Int(System.Random.Shared.Next(length)));
    }

    public static object? Items(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("do_items");
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            if (value is Undefined) yield break;
            if (value is not PyDict dict) throw Error.Type("Can only get item pairs from a mapping.");
            foreach ((object? key, object? item) in dict.Entries) yield return new PyTuple([key, item]);
        }
    }

    public static object? Batch(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_batch", 1, "linecount", "fill_with");
        object? fill = OrNone(bound[1]);
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            var batch = new List<object?>();
            foreach (object? item in Iteration.Enumerate(state, value))
            {
                if (PyEquality.AreEqual(Boxed.Int(batch.Count), bound[0]))
                {
                    yield return new PyList([.. batch]);
                    batch.Clear();
                }
                batch.Add(item);
            }
            if (batch.Count == 0) yield break;
            if (fill is not null)
            {
                int missing = Math.Max(0, PyNumber.RequireIndex(bound[0]) - batch.Count);
                state.Budget.AllocateItems(missing);
                batch.AddRange(Enumerable.Repeat(fill, missing));
            }
            yield return new PyList([.. batch]);
        }
    }

    public static object? Slice(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_slice", 1, "slices", "fill_with");
        object? fill = OrNone(bound[1]);
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            object?[] items = Iteration.ToArray(state, value);
            int slices = PyNumber.RequireIndex(bound[0]);
            if (slices == 0) throw Error.ZeroDivision("integer division or modulo by zero");
            if (slices < 0) yield break;
            int perSlice = items.Length / slices, extra = items.Length % slices, start = 0;
            for (int i = 0; i < slices; i++)
            {
                state.Budget.Step();
                int end = start + perSlice + (i < extra ? 1 : 0);
                object?[] slice = items[start..end];
                yield return new PyList(fill is not null && i >= extra ? [.. slice, fill] : slice);
                start = end;
            }
        }
    }

    public static object? Sort(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_sort", 0, "reverse", "case_sensitive", "attribute");
        bool caseSensitive = OrFalse(bound[1]);
        AttributePath[] paths = AttributePath.ParseMany(OrNone(bound[2]));
        object?[] items = Iteration.ToArray(state, value);
        return new PyList(Ordering.Sort(items, Key, OrFalse(bound[0]), state));

        object? Key(object? item) => new PyList([.. paths.Select(path => Folded(path.Get(item), caseSensitive))]);
    }

    /// <summary>Texts compare without case unless that was asked for.</summary>
    static object? Folded(object? value, bool caseSensitive) => caseSensitive ? value : value switch
    {
        string text => PyCase.Lower(text),
        Markup markup => new Markup(PyCase.Lower(markup.Content)),
        _ => value,
    };

    public static object? DictSort(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_dictsort", 0, "case_sensitive", "by", "reverse");
        string? by = IsMissing(bound[1]) ? "key" : PyText.Of(bound[1]);
        if (by is not ("key" or "value")) throw Error.Runtime("You can only sort by either \"key\" or \"value\"");
        if (value is Undefined undefined) throw undefined.Fail();
        if (value is not PyDict dict)
            throw new ChatTemplateException(ChatTemplateErrorKind.Attribute,
                $"'{PyType.NameOf(value)}' object has no attribute 'items'");
        bool caseSensitive = OrFalse(bound[0]);
        KeyValuePair<object?, object?>[] sorted = Ordering.Sort([.. dict.Entries], Key, OrFalse(bound[2]), state);
        return new PyList([.. sorted.Select(entry => new PyTuple([entry.Key, entry.Value]))]);

        object? Key(KeyValuePair<object?, object?> entry) =>
            Folded(by == "key" ? entry.Key : entry.Value, caseSensitive);
    }

    public static object? Unique(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_unique", 0, "case_sensitive", "attribute");
        bool caseSensitive = OrFalse(bound[0]);
        AttributePath path = AttributePath.Parse(OrNone(bound[1]));
        return new PyIterator(Generate(), "generator");

        IEnumerable<object?> Generate()
        {
            var seen = new PyDict();
            foreach (object? item in Iteration.Enumerate(state, value))
            {
                object? key = Folded(path.Get(item), caseSensitive);
                if (seen.TryGet(key, out _)) continue;
                seen.Set(key, null);
                yield return item;
            }
        }
    }

    public static object? Min(RenderState state, object? value, Arguments arguments) =>
        Extreme("do_min", ComparisonOperator.Less, state, value, arguments);

    public static object? Max(RenderState state, object? value, Arguments arguments) =>
        Extreme("do_max", ComparisonOperator.Greater, state, value, arguments);

    static object? Extreme(
        string name, ComparisonOperator better, RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind(name, 0, "case_sensitive", "attribute");
        bool caseSensitive = OrFalse(bound[0]);
        AttributePath path = AttributePath.Parse(OrNone(bound[1]));
        object? best = Missing.Value, bestKey = null;
        foreach (object? item in Iteration.Enumerate(state, value))
        {
            object? key = Folded(path.Get(item), caseSensitive);
            if (!IsMissing(best) && !Ordering.Holds(better, key, bestKey, state)) continue;
            best = item;
            bestKey = key;
        }
        return IsMissing(best) ? Undefined.Hint("No aggregated item, sequence was empty.") : best;
    }

    public static object? Sum(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_sum", 0, "attribute", "start");
        AttributePath path = AttributePath.Parse(OrNone(bound[0]));
        object? total = IsMissing(bound[1]) ? Boxed.Int(0) : bound[1];
        if (PyText.Of(total) is not null) throw Error.Type("sum() can't sum strings [use ''.join(seq) instead]");
        foreach (object? item in Iteration.Enumerate(state, value)) total = Operators.Add(total, path.Get(item), state);
        return total;
    }

    public static object? GroupBy(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_groupby", 1, "attribute", "default", "case_sensitive");
        bool caseSensitive = OrFalse(bound[2]);
        AttributePath path = AttributePath.Parse(bound[0], OrNone(bound[1]));
        object?[] sorted = Ordering.Sort(Iteration.ToArray(state, value), Key, reverse: false, state);
        var groups = new List<object?>();
        for (int start = 0, end; start < sorted.Length; start = end)
        {
            object? key = Key(sorted[start]);
            for (end = start + 1; end < sorted.Length; end++)
                if (!PyEquality.AreEqual(key, Key(sorted[end]), state.Budget))
                    break;
            // the key as it stands in the first item, not in lower case
            groups.Add(new GroupTuple(path.Get(sorted[start]), new PyList(sorted[start..end])));
        }
        return new PyList([.. groups]);

        object? Key(object? item) => Folded(path.Get(item), caseSensitive);
    }
}
