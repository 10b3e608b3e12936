using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>Calls of functions, methods and filters, within the limits.</summary>
static class Invocation
{
    public static object? Call(object? function, Arguments arguments, RenderState state)
    {
        state.Budget.Step();
        return function switch
        {
            ICallable callable => callable.Call(state, arguments),
            Undefined undefined => throw undefined.Fail(),
            _ => throw Error.Type($"'{PyType.NameOf(function)}' object is not callable"),
        };
    }

    public static object? Filter(Filter filter, object? value, Arguments arguments, RenderState state)
    {
        if (PyText.Of(value) is { } text) state.Budget.Scan(text.Length);
        else state.Budget.Step();
        object? result = filter(state, value, arguments);
        if (PyText.Of(result) is { } built && !ReferenceEquals(built, PyText.Of(value)))
            state.Budget.AllocateString(built.Length);
        return result;
    }
}

/// <summary>A value that can be called.</summary>
interface ICallable
{
    object? Call(RenderState state, Arguments arguments);
}
