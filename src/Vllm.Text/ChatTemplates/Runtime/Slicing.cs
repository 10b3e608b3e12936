using System.Text;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

readonly record struct SliceBounds(object? Start, object? Stop, object? Step);

/// <summary><c>value[start:stop:step]</c> and <c>value[index]</c>.</summary>
static class Slicing
{
    public static object? Apply(object? value, SliceBounds bounds, RenderState state)
    {
        switch (value)
        {
            case string text: return SliceText(text, bounds, state);
            case Markup markup: return new Markup(SliceText(markup.Content, bounds, state));
            case PyList list: return new PyList(SliceItems(list.Values, bounds, state));
            case PyTuple tuple: return new PyTuple(SliceItems(tuple.Values, bounds, state));
            case PyBytes bytes:
                return new PyBytes([.. Indices(bytes.Content.Length, bounds).Select(index => bytes.Content[index])]);
            case PyRange range: return SliceRange(range, bounds);
            case Undefined undefined: throw undefined.Fail();
            case PyDict: throw Error.Type("unhashable type: 'slice'");
            default: throw Error.Type($"'{PyType.NameOf(value)}' object is not subscriptable");
        }
    }

    static string SliceText(string text, SliceBounds bounds, RenderState state)
    {
        state.Budget.Scan(text.Length);
        (int start, int count, int step) = Select(PyString.Length(text), bounds);
        if (count == 0) return "";
        state.Budget.AllocateString(count);
        if (step == 1)
        {
            int first = PyString.UnitIndex(text, start);
            return text[first..PyString.UnitIndex(text, start + count)];
        }
        string[] points = [.. PyString.CodePoints(text)];
        var result = new StringBuilder(count);
        for (int i = 0; i < count; i++) result.Append(points[start + (long)i * step]);
        return result.ToString();
    }

    static object?[] SliceItems(object?[] items, SliceBounds bounds, RenderState state)
    {
        (int start, int count, int step) = Select(items.Length, bounds);
        state.Budget.AllocateItems(count);
        if (step == 1) return items[start..(start + count)];
        var result = new object?[count];
        for (int i = 0; i < count; i++) result[i] = items[start + (long)i * step];
        return result;
    }

    static PyRange SliceRange(PyRange range, SliceBounds bounds)
    {
        (long start, long stop, long step) = Resolve(range.Count, bounds);
        long first = range.Start + start * range.Step, end = range.Start + stop * range.Step;
        return new PyRange(first, end, step * range.Step, Count(start, stop, step));
    }

    static IEnumerable<int> Indices(int length, SliceBounds bounds)
    {
        (int start, int count, int step) = Select(length, bounds);
        for (int i = 0; i < count; i++) yield return (int)(start + (long)i * step);
    }

    /// <summary>First index, number of items and step within that length.</summary>
    static (int Start, int Count, int Step) Select(int length, SliceBounds bounds)
    {
        (long start, long stop, long step) = Resolve(length, bounds);
        int count = Count(start, stop, step);
        return count == 0 ? (0, 0, 1) : ((int)start, count, (int)step);
    }

    static int Count(long start, long stop, long step) =>
        (int)Math.Max(0, step > 0 ? (stop - start + step - 1) / step : (stop - start + step + 1) / step);

    /// <summary>Bounds as indices within that length, as Python's <c>slice.indices</c>.</summary>
    static (long Start, long Stop, long Step) Resolve(int length, SliceBounds bounds)
    {
        long step = bounds.Step is null ? 1 : IndexOf(bounds.Step);
        if (step == 0) throw Error.Value("slice step cannot be zero");
        long lowest = step < 0 ? -1 : 0, highest = step < 0 ? length - 1L : length;
        long start = bounds.Start is null ? (step < 0 ? highest : lowest) : Clamp(IndexOf(bounds.Start));
        long stop = bounds.Stop is null ? (step < 0 ? lowest : highest) : Clamp(IndexOf(bounds.Stop));
        return (start, stop, step);

        long Clamp(long index) => Math.Clamp(index < 0 ? index + length : index, lowest, highest);
    }

    static int IndexOf(object value) => PyNumber.AsIndex(value)
        ?? throw Error.Type("slice indices must be integers or None or have an __index__ method");

    /// <summary>The item at an index, counted from the end if it is negative, or <see cref="Missing"/>.</summary>
    public static object? ItemAt(object?[] items, object? key)
    {
        if (PyNumber.AsIndex(key) is not { } index) return Missing.Value;
        if (index < 0) index += items.Length;
        return (uint)index < (uint)items.Length ? items[index] : Missing.Value;
    }

    /// <summary>The same for the code points of a text.</summary>
    public static object? CharacterAt(string text, object? key)
    {
        if (PyNumber.AsIndex(key) is not { } index) return Missing.Value;
        if (index < 0) index += PyString.Length(text);
        if (index < 0) return Missing.Value;
        int unit = PyString.UnitIndex(text, index);
        return unit < text.Length ? PyString.CodePointAt(text, unit) : Missing.Value;
    }
}
