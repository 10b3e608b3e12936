using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>The order of values: numbers, texts, lists and tuples have one, and only among themselves.</summary>
static class Ordering
{
    public static bool Holds(ComparisonOperator op, object? left, object? right, RenderState state)
    {
        if (left is Undefined undefinedLeft) throw undefinedLeft.Fail();
        if (right is Undefined undefinedRight) throw undefinedRight.Fail();
        RenderState.CheckStack();
        state.Budget.Step();
        if (PyNumber.IsNumber(left) && PyNumber.IsNumber(right)) return Holds(op, PyNumber.Compare(left!, right!));
        if (PyText.Of(left) is { } a && PyText.Of(right) is { } b)
        {
            state.Budget.Scan(Math.Min(a.Length, b.Length));
            return Holds(op, PyString.Compare(a, b));
        }
        return (left, right) switch
        {
            (PyList x, PyList y) => HoldsForItems(op, x.Values, y.Values, state),
            (PyTuple x, PyTuple y) => HoldsForItems(op, x.Values, y.Values, state),
            (PyBytes x, PyBytes y) => Holds(op, x.Content.AsSpan().SequenceCompareTo(y.Content)),
            _ => throw Error.Type($"'{Symbol(op)}' not supported between instances of " +
                $"'{PyType.NameOf(left)}' and '{PyType.NameOf(right)}'"),
        };
    }

    static bool HoldsForItems(ComparisonOperator op, object?[] left, object?[] right, RenderState state)
    {
        for (int i = 0; i < Math.Min(left.Length, right.Length); i++)
            if (!PyEquality.AreEqual(left[i], right[i], state.Budget, depth: 1))
                return Holds(op, left[i], right[i], state);
        return Holds(op, left.Length.CompareTo(right.Length));
    }

    /// <param name="op">The operator.</param>
    /// <param name="order"><c>null</c>: not a number.</param>
    static bool Holds(ComparisonOperator op, int? order) => op switch
    {
        ComparisonOperator.Less => order < 0,
        ComparisonOperator.LessOrEqual => order <= 0,
        ComparisonOperator.Greater => order > 0,
        _ => order >= 0,
    };

    static string Symbol(ComparisonOperator op) => op switch
    {
        ComparisonOperator.Less => "<",
        ComparisonOperator.LessOrEqual => "<=",
        ComparisonOperator.Greater => ">",
        _ => ">=",
    };

    /// <summary>Sorts as Python's <c>sorted</c>: stable, in reverse too, and only by "less than".</summary>
    public static T[] Sort<T>(T[] items, Func<T, object?> key, bool reverse, RenderState state)
    {
        var keyed = new (object? Key, T Item)[items.Length];
        for (int i = 0; i < items.Length; i++) keyed[i] = (key(items[i]), items[i]);
        // Python reverses before and after, which keeps equal items in their order.
        if (reverse) Array.Reverse(keyed);
        MergeSort(keyed, new (object?, T)[keyed.Length], 0, keyed.Length, state);
        if (reverse) Array.Reverse(keyed);
        return [.. keyed.Select(pair => pair.Item)];
    }

    // Array.Sort is not stable, and LINQ's order wraps what a comparison throws.
    static void MergeSort<T>(
        (object? Key, T Item)[] items, (object? Key, T Item)[] buffer, int start, int end, RenderState state)
    {
        if (end - start < 2) return;
        int middle = (start + end) / 2;
        MergeSort(items, buffer, start, middle, state);
        MergeSort(items, buffer, middle, end, state);
        Array.Copy(items, start, buffer, start, end - start);
        for (int i = start, left = start, right = middle; i < end; i++)
        {
            bool takeRight = left == middle ||
                (right < end && Holds(ComparisonOperator.Less, buffer[right].Key, buffer[left].Key, state));
            items[i] = takeRight ? buffer[right++] : buffer[left++];
        }
    }
}
