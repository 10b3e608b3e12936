using System.Text;
using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>How many slots a function needs; complete once the template is bound.</summary>
sealed class FunctionSlots
{
    public int Count { get; private set; }

    public int Add() => Count++;
}

/// <summary>A running function: its variables and its output.</summary>
sealed class Frame
{
    public Frame(RenderState state, TemplateContext context, FunctionSlots slots, Frame? parent)
    {
        State = state;
        Context = context;
        Parent = parent;
        Slots = new object?[slots.Count];
        Array.Fill(Slots, Missing.Value);
        Output = new TextOutput(state.Budget);
    }

    public RenderState State { get; }

    public TemplateContext Context { get; }

    public Frame? Parent { get; }

    public object?[] Slots { get; }

    public TextOutput Output { get; private set; }

    public Frame NewFunction(FunctionSlots slots) => new(State, Context, slots, this);

    /// <summary>Runs statements and takes their text.</summary>
    public Flow Capture(Statement[] body, out string text)
    {
        TextOutput outer = Output;
        Output = new TextOutput(State.Budget);
        Flow flow = Statement.ExecuteAll(body, this);
        text = Output.Take();
        Output = outer;
        return flow;
    }
}

/// <summary>Text being written, within the limits.</summary>
sealed class TextOutput(Budget budget)
{
    readonly StringBuilder _text = new();

    public void Append(string text)
    {
        budget.AllocateString(_text.Length + text.Length > RenderLimits.MaxStringUnits ? long.MaxValue : text.Length);
        _text.Append(text);
    }

    public string Take() => _text.ToString();
}

/// <summary>The variables that the renderer was given and, over them, those set at the top level of the
/// template.</summary>
sealed class TemplateContext(TemplateContext? parent, Dictionary<string, object?> variables)
{
    public Dictionary<string, object?> Variables => variables;

    public TemplateContext Derive() => new(this, []);

    /// <summary>The value, or <see cref="Missing"/>.</summary>
    public object? Resolve(string name)
    {
        for (TemplateContext? context = this; context is not null; context = context.Parent)
            if (context.Variables.TryGetValue(name, out object? value))
                return value;
        return Builtins.Globals.Find(name);
    }

    TemplateContext? Parent => parent;
}

/// <summary>What is done when a scope is entered: its variables get their first values.</summary>
sealed class ScopeEntry(
    (int Slot, string Name)[] resolves, (int Slot, VariableAddress Outer)[] aliases, int[] undefined)
{
    public static readonly ScopeEntry Empty = new([], [], []);

    public void Enter(Frame frame)
    {
        foreach ((int slot, string name) in resolves) frame.Slots[slot] = frame.Context.Resolve(name);
        foreach ((int slot, VariableAddress outer) in aliases) frame.Slots[slot] = outer.Read(frame);
        foreach (int slot in undefined) frame.Slots[slot] = Missing.Value;
    }
}
