using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

/// <summary>Text of the template.</summary>
sealed class TemplateText(string text) : Statement
{
    public string Text => text;

    public override IEnumerable<Node> Children => [];

    public override Flow Execute(Frame frame)
    {
        frame.Output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ … }}</c>, or one expression of a <c>print</c> tag.</summary>
sealed class Print(Expression value) : Statement
{
    public Expression Value => value;

    public override IEnumerable<Node> Children => [value];

    public override Flow Execute(Frame frame)
    {
        object? result = value.Evaluate(frame);
        frame.Output.Append(result as string ?? PyRepr.Str(result, frame.State.Budget));
        return Flow.Next;
    }
}

sealed class If((Expression Test, Statement[] Body)[] branches, Statement[] otherwise) : Statement
{
    public (Expression Test, Statement[] Body)[] Branches => branches;

    public Statement[] Otherwise => otherwise;

    public override IEnumerable<Node> Children
    {
        get
        {
            foreach ((Expression test, Statement[] body) in branches)
            {
                yield return test;
                foreach (Statement statement in body) yield return statement;
            }
            foreach (Statement statement in otherwise) yield return statement;
        }
    }

    public override Flow Execute(Frame frame)
    {
        foreach ((Expression test, Statement[] body) in branches)
            if (Truth.Of(test.Evaluate(frame)))
                return ExecuteAll(body, frame);
        return ExecuteAll(otherwise, frame);
    }
}

/// <summary><c>{% set target = value %}</c>.</summary>
sealed class Set(Expression target, Expression value) : Statement
{
    readonly NamespaceReference[] _namespaces =
        [.. new[] { target }.Concat(target.Descendants()).OfType<NamespaceReference>()];

    public Expression Target => target;

    public Expression Value => value;

    public override IEnumerable<Node> Children => [target, value];

    public override Flow Execute(Frame frame)
    {
        foreach (NamespaceReference reference in _namespaces) reference.Check(frame);
        Assignment.Store(target, value.Evaluate(frame), frame);
        return Flow.Next;
    }
}

/// <summary><c>{% set target %}…{% endset %}</c>: the text of the body, through filters if there are any.</summary>
sealed class SetBlock(Expression target, FilterCall? filter, Statement[] body) : Statement
{
    public Expression Target => target;

    public FilterCall? Filter => filter;

    public Statement[] Body => body;

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    public override IEnumerable<Node> Children => filter is null ? [target, .. body] : [target, filter, .. body];

    public override Flow Execute(Frame frame)
    {
        Entry.Enter(frame);
        Flow flow = frame.Capture(body, out string text);
        if (flow != Flow.Next) return flow;
        // Jinja raises Python's TypeError for a namespace that is not one here, this product the error of `set`.
        if (target is NamespaceReference reference) reference.Check(frame);
        Assignment.Store(target, filter is null ? text : filter.Apply(frame, text), frame);
        return Flow.Next;
    }
}

/// <summary><c>{% filter … %}…{% endfilter %}</c>.</summary>
sealed class FilterBlock(FilterCall filter, Statement[] body) : Statement
{
    public FilterCall Filter => filter;

    public Statement[] Body => body;

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    public override IEnumerable<Node> Children => [.. body, filter];

    public override Flow Execute(Frame frame)
    {
        Entry.Enter(frame);
        Flow flow = frame.Capture(body, out string text);
        if (flow == Flow.Next) frame.Output.Append(PyRepr.Str(filter.Apply(frame, text), frame.State.Budget));
        return flow;
    }
}

/// <summary><c>{% with a = 1, b = 2 %}…{% endwith %}</c>; the values are evaluated outside.</summary>
sealed class With(Expression[] targets, Expression[] values, Statement[] body) : Statement
{
    public Expression[] Targets => targets;

    public Expression[] Values => values;

    public Statement[] Body => body;

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    public override IEnumerable<Node> Children => [.. targets, .. values, .. body];

    public override Flow Execute(Frame frame)
    {
        Entry.Enter(frame);
        for (int i = 0; i < targets.Length; i++) Assignment.Store(targets[i], values[i].Evaluate(frame), frame);
        return ExecuteAll(body, frame);
    }
}

/// <summary><c>{% autoescape … %}</c>: a scope of its own. Escaping itself is not carried out: no chat template wants
/// HTML.</summary>
sealed class AutoescapeBlock(Expression option, Statement[] body) : Statement
{
    public Expression Option => option;

    public Statement[] Body => body;

    public ScopeEntry Entry { get; set; } = ScopeEntry.Empty;

    public override IEnumerable<Node> Children => [option, .. body];

    public override Flow Execute(Frame frame)
    {
        Entry.Enter(frame);
        option.Evaluate(frame);
        return ExecuteAll(body, frame);
    }
}

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
sealed class LoopControl(Flow flow) : Statement
{
    public Flow Flow => flow;

    public override IEnumerable<Node> Children => [];

    public override Flow Execute(Frame frame) => flow;
}

/// <summary><c>extends</c>, <c>include</c>, <c>import</c> and <c>from … import</c>: chat templates have no loader, so
/// reaching one is an error.</summary>
sealed class TemplateLoad(Expression template, string[] names) : Statement
{
    /// <summary>The names that an import would bind.</summary>
    public string[] Names => names;

    public override IEnumerable<Node> Children => [template];

    public override Flow Execute(Frame frame)
    {
        template.Evaluate(frame);
        throw Error.Type("no loader for this environment specified");
    }
}
