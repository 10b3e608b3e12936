using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

/// <summary>The arguments in the source of a call, filter or test.</summary>
sealed class ArgumentList(
    Expression[] positional, (string Name, Expression Value)[] keywords, Expression? star, Expression? doubleStar)
{
    public static readonly ArgumentList Empty = new([], [], null, null);

    public Expression[] Positional => positional;

    public (string Name, Expression Value)[] Keywords => keywords;

    public IEnumerable<Node> Children
    {
        get
        {
            foreach (Expression value in positional) yield return value;
            foreach ((_, Expression value) in keywords) yield return value;
            if (star is not null) yield return star;
            if (doubleStar is not null) yield return doubleStar;
        }
    }

    public Arguments Evaluate(Frame frame)
    {
        if (keywords.Length == 0 && star is null && doubleStar is null)
            return positional.Length == 0 ? Arguments.None : new Arguments(TupleLiteral.Evaluate(positional, frame));
        var values = new List<object?>(TupleLiteral.Evaluate(positional, frame));
        if (star is not null) values.AddRange(Iteration.Enumerate(frame.State, star.Evaluate(frame)));
        var named = new List<KeyValuePair<string, object?>>(keywords.Length);
        foreach ((string name, Expression value) in keywords) named.Add(new(name, value.Evaluate(frame)));
        if (doubleStar is not null) AddMapping(named, doubleStar.Evaluate(frame));
        return new Arguments([.. values], named);
    }

    static void AddMapping(List<KeyValuePair<string, object?>> named, object? value)
    {
        if (value is Undefined undefined) throw undefined.Fail();
        if (value is not PyDict dict)
            throw Error.Type($"argument after ** must be a mapping, not {PyType.NameOf(value)}");
        foreach ((object? key, object? item) in dict.Entries)
        {
            if (PyText.Of(key) is not { } name) throw Error.Type("keywords must be strings");
            if (named.Any(pair => pair.Key == name))
                throw Error.Type($"got multiple values for keyword argument '{name}'");
            named.Add(new(name, item));
        }
    }
}

sealed class Call(Expression callee, ArgumentList arguments) : Expression
{
    public Expression Callee => callee;

    public ArgumentList Arguments => arguments;

    public override IEnumerable<Node> Children => [callee, .. arguments.Children];

    public override object? Evaluate(Frame frame) => Evaluate(frame, caller: null);

    /// <param name="frame">Where the call stands.</param>
    /// <param name="caller">The body of a call block, passed as the keyword argument <c>caller</c>.</param>
    public object? Evaluate(Frame frame, Macro? caller)
    {
        object? function = callee.Evaluate(frame);
        Arguments values = arguments.Evaluate(frame);
        return Invocation.Call(function, caller is null ? values : values.With("caller", caller), frame.State);
    }
}

sealed class FilterCall(Expression? target, string name, ArgumentList arguments) : Expression
{
    public string FilterName => name;

    /// <summary><c>null</c> at the head of a filter block: the target is the block's text.</summary>
    public Expression? Target => target;

    /// <summary>Set by the binder; <c>null</c> when there is no such filter, which is an error once it is
    /// reached.</summary>
    public Filter? Function { get; set; }

    public override IEnumerable<Node> Children =>
        target is null ? arguments.Children : [target, .. arguments.Children];

    public override object? Evaluate(Frame frame) => Apply(frame, blockText: null);

    public object? Apply(Frame frame, string? blockText)
    {
        object? value = target switch
        {
            null => blockText,
            FilterCall inner => inner.Apply(frame, blockText),
            _ => target.Evaluate(frame),
        };
        Arguments values = arguments.Evaluate(frame);
        if (Function is null) throw Error.Runtime($"No filter named '{name}' found.");
        return Invocation.Filter(Function, value, values, frame.State);
    }
}

sealed class TestCall(Expression target, string name, ArgumentList arguments) : Expression
{
    public string TestName => name;

    public Expression Target => target;

    public Test? Function { get; set; }

    public override IEnumerable<Node> Children => [target, .. arguments.Children];

    public override object? Evaluate(Frame frame)
    {
        object? value = target.Evaluate(frame);
        Arguments values = arguments.Evaluate(frame);
        if (Function is null) throw Error.Runtime($"No test named '{name}' found.");
        return Boxed.Bool(Function(frame.State, value, values));
    }
}
