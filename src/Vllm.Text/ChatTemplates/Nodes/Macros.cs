using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

/// <summary>A parameter list and a body: what a macro and the body of a call block have in common.</summary>
sealed class MacroDefinition(string? name, Name[] parameters, Expression[] defaults, Statement[] body)
{
    public string? Name => name;

    public Name[] Parameters => parameters;

    /// <summary>Of the last parameters.</summary>
    public Expression[] Defaults => defaults;

    public Statement[] Body => body;

    public IEnumerable<Node> Children => [.. parameters, .. defaults, .. body];

    public FunctionSlots Slots { get; set; } = new();

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    // Slots of the special variables; null when the body does not use them.
    public VariableAddress? Caller { get; set; }
    public VariableAddress? KeywordArguments { get; set; }
    public VariableAddress? PositionalArguments { get; set; }

    /// <summary>Whether the body uses <c>caller</c>, be it as a parameter of its own.</summary>
    public bool UsesCaller { get; set; }

    public Expression? DefaultOf(int parameter)
    {
        int index = parameter - (parameters.Length - defaults.Length);
        return index < 0 ? null : defaults[index];
    }
}

sealed class MacroStatement(Name name, MacroDefinition definition) : Statement
{
    public Name Name => name;

    public MacroDefinition Definition => definition;

    public override IEnumerable<Node> Children => definition.Children;

    public override Flow Execute(Frame frame)
    {
        Assignment.Store(name, new Macro(definition, frame), frame);
        return Flow.Next;
    }
}

/// <summary><c>{% call(x) macro(…) %}…{% endcall %}</c>: the macro gets the body as <c>caller</c>.</summary>
sealed class CallBlock(Call? call, MacroDefinition definition) : Statement
{
    /// <summary><c>null</c> for <c>{% generation %}</c>, which only writes its body.</summary>
    public Call? Call => call;

    public MacroDefinition Definition => definition;

    public override IEnumerable<Node> Children => call is null ? definition.Children : [call, .. definition.Children];

    public override Flow Execute(Frame frame)
    {
        var caller = new Macro(definition, frame);
        object? result = call is null ? caller.Call(frame.State, Arguments.None) : call.Evaluate(frame, caller);
        frame.Output.Append(PyRepr.Str(result, frame.State.Budget));
        return Flow.Next;
    }
}

/// <summary><c>{% block name %}…{% endblock %}</c>: written where it stands, but sees only the context, not the loop
/// variables around it (those too if it is <c>scoped</c>).</summary>
sealed class Block(string name, bool isScoped, bool isRequired, Statement[] body) : Statement
{
    public string Name => name;

    public bool IsScoped => isScoped;

    public Statement[] Body => body;

    public FunctionSlots Slots { get; set; } = new();

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    public VariableAddress? Self { get; set; }

    public VariableAddress? Super { get; set; }

    /// <summary>For a scoped block: the variables around it.</summary>
    public (string Name, VariableAddress Address)[] Surrounding { get; set; } = [];

    public override IEnumerable<Node> Children => body;

    public override Flow Execute(Frame frame)
    {
        if (isRequired) throw Error.Runtime($"Required block '{name}' not found");
        TemplateContext context = isScoped ? Derive(frame) : frame.Context;
        frame.Output.Append(Render(frame.State, context));
        return Flow.Next;
    }

    public string Render(RenderState state, TemplateContext context)
    {
        using RenderState.CallScope scope = state.EnterCall();
        var frame = new Frame(state, context, Slots, parent: null);
        Self?.Write(frame, new BlockReferences(context, state.Blocks));
        Super?.Write(frame, Undefined.Hint($"there is no parent block called '{name}'."));
        Entry.Enter(frame);
        ExecuteAll(body, frame);
        return frame.Output.Take();
    }

    TemplateContext Derive(Frame frame)
    {
        TemplateContext context = frame.Context.Derive();
        foreach ((string variable, VariableAddress address) in Surrounding)
            if (address.Read(frame) is var value && !ReferenceEquals(value, Missing.Value))
                context.Variables[variable] = value;
        return context;
    }
}
