using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>Going through the items of a value.</summary>
static class Iteration
{
    public static bool IsIterable(object? value) => value is string or PyObject { Items: not null };

    /// <summary>What <c>len()</c> gives, or <c>null</c>.</summary>
    public static int? TryLength(object? value) =>
        value is string text ? PyString.Length(text) : (value as PyObject)?.Length;

    public static int Length(object? value) =>
        TryLength(value) ?? throw Error.Type($"object of type '{PyType.NameOf(value)}' has no len()");

    public static IEnumerable<object?> Enumerate(RenderState state, object? value)
    {
        IEnumerable<object?> items = value switch
        {
            string text => PyString.CodePoints(text),
            PyObject { Items: { } own } => own,
            _ => throw Error.Type($"'{PyType.NameOf(value)}' object is not iterable"),
        };
        return Counted(state.Budget, items);
    }

    static IEnumerable<object?> Counted(Budget budget, IEnumerable<object?> items)
    {
        foreach (object? item in items)
        {
            budget.Step();
            yield return item;
        }
    }

    public static object?[] ToArray(RenderState state, object? value)
    {
        if (value is PyList list)
        {
            state.Budget.AllocateItems(list.Values.Length);
            return list.Values;
        }
        var items = new List<object?>();
        foreach (object? item in Enumerate(state, value))
        {
            state.Budget.AllocateItems(1);
            items.Add(item);
        }
        return [.. items];
    }
}
