using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>The operator <c>in</c>.</summary>
static class Containment
{
    public static bool Contains(object? container, object? item, RenderState state)
    {
        switch (container)
        {
            case string or Markup:
                string text = PyText.Of(container)!;
                state.Budget.Scan(text.Length);
                string part = PyText.Of(item)
                    ?? throw Error.Type($"'in <string>' requires string as left operand, not {PyType.NameOf(item)}");
                return text.Contains(part, StringComparison.Ordinal);
            case PyDict dict: return dict.TryGet(item, out _);
            case DictView view when view.TypeName == "dict_keys": return view.Dict.TryGet(item, out _);
            case PyRange range when item is long or bool: return range.Contains(PyNumber.RequireIndex(item));
            case PyBytes when item is not PyBytes && !PyNumber.IsInt(item):
                throw Error.Type($"a bytes-like object is required, not '{PyType.NameOf(item)}'");
            case PyBytes bytes when item is PyBytes other: return bytes.Content.AsSpan().IndexOf(other.Content) >= 0;
        }
        if (!Iteration.IsIterable(container))
            throw Error.Type($"argument of type '{PyType.NameOf(container)}' is not iterable");
        foreach (object? value in Iteration.Enumerate(state, container))
            if (PyEquality.AreEqual(value, item, state.Budget, depth: 1))
                return true;
        return false;
    }
}
