using Vllm.Text.ChatTemplates.Nodes;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

/// <summary>A macro, or the body of a call block, with the variables of the place where it was defined.</summary>
sealed class Macro(MacroDefinition definition, Frame closure) : PyObject, ICallable
{
    public override string TypeName => "Macro";

    public override string QualifiedTypeName => "jinja2.runtime.Macro";

    public override void WriteRepr(ReprWriter writer) =>
        writer.Append(definition.Name is null ? "<Macro anonymous>" : $"<Macro {PyRepr.Repr(definition.Name)}>");

    public override object? GetAttribute(string name) => name switch
    {
        "name" => definition.Name,
        "arguments" => new PyTuple([.. definition.Parameters.Select(parameter => parameter.Id)]),
        "catch_kwargs" => Boxed.Bool(definition.KeywordArguments is not null),
        "catch_varargs" => Boxed.Bool(definition.PositionalArguments is not null),
        "caller" => Boxed.Bool(definition.UsesCaller),
        "explicit_caller" => Boxed.Bool(definition.Parameters.Any(parameter => parameter.Id == "caller")),
        _ => Missing.Value,
    };

    /// <summary>
    /// (1) positional arguments, (2) keyword arguments for the other parameters, (3) <c>caller</c>, <c>kwargs</c>,
    /// <c>varargs</c>, (4) scope, (5) defaults, (6) body.
    /// </summary>
    public object? Call(RenderState state, Arguments arguments)
    {
        using RenderState.CallScope scope = state.EnterCall();
        Frame frame = closure.NewFunction(definition.Slots);
        Name[] parameters = definition.Parameters;
        int given = Math.Min(arguments.Positional.Length, parameters.Length);
        var keywords = new List<KeyValuePair<string, object?>>(arguments.Keywords);

        for (int i = 0; i < given; i++) parameters[i].Address.Write(frame, arguments.Positional[i]); // 1
        bool hasCaller = given == parameters.Length && parameters.Any(parameter => parameter.Id == "caller");
        for (int i = given; i < parameters.Length; i++) // 2
        {
            parameters[i].Address.Write(frame, Take(keywords, parameters[i].Id));
            hasCaller |= parameters[i].Id == "caller";
        }
        if (definition.Caller is { } callerAddress && !hasCaller) // 3
        {
            object? caller = Take(keywords, "caller");
            callerAddress.Write(frame, caller is null || ReferenceEquals(caller, Missing.Value)
                ? Undefined.Hint("No caller defined") : caller);
        }
        WriteRest(frame, keywords, arguments.Positional, given);
        definition.Entry.Enter(frame); // 4
        for (int i = given; i < parameters.Length; i++) // 5
        {
            if (!ReferenceEquals(parameters[i].Address.Read(frame), Missing.Value)) continue;
            object? value = definition.DefaultOf(i) is { } expression
                ? expression.Evaluate(frame)
                : Undefined.Hint($"parameter '{parameters[i].Id}' was not provided");
            parameters[i].Address.Write(frame, value);
        }
        Statement.ExecuteAll(definition.Body, frame); // 6
        return frame.Output.Take();
    }

    void WriteRest(Frame frame, List<KeyValuePair<string, object?>> keywords, object?[] positional, int given)
    {
        if (definition.KeywordArguments is { } keywordAddress)
        {
            var dict = new PyDict(keywords.Count);
            foreach ((string key, object? value) in keywords) dict.Set(key, value);
            keywordAddress.Write(frame, dict);
        }
        else if (keywords.Count > 0)
            throw Error.Type(keywords.Exists(pair => pair.Key == "caller")
                ? $"macro '{definition.Name}' was invoked with two values for the special caller argument. This is most likely a bug."
                : $"macro '{definition.Name}' takes no keyword argument '{keywords[0].Key}'");
        if (definition.PositionalArguments is { } address) address.Write(frame, new PyTuple(positional[given..]));
        else if (positional.Length > given)
            throw Error.Type($"macro '{definition.Name}' takes not more than {definition.Parameters.Length} argument(s)");
    }

    static object? Take(List<KeyValuePair<string, object?>> keywords, string name)
    {
        int index = keywords.FindIndex(pair => pair.Key == name);
        if (index < 0) return Missing.Value;
        object? value = keywords[index].Value;
        keywords.RemoveAt(index);
        return value;
    }
}

/// <summary>The variable <c>self</c>: the blocks of the template as functions.</summary>
sealed class BlockReferences(TemplateContext context, IReadOnlyDictionary<string, Block> blocks) : PyObject
{
    public override string TypeName => "TemplateReference";

    public override string QualifiedTypeName => "jinja2.runtime.TemplateReference";

    public override void WriteRepr(ReprWriter writer) => writer.Append("<TemplateReference None>");

    public override object? GetAttribute(string name) =>
        blocks.TryGetValue(name, out Block? block)
            ? new NativeFunction(name, (state, _) => block.Render(state, context))
            : Missing.Value;
}
