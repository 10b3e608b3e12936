using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

enum NameUse { Load, Store, Parameter }

/// <summary>Where a variable lives: so many functions further out, in that slot.</summary>
readonly record struct VariableAddress(int Hops, int Slot)
{
    public object? Read(Frame frame) => Owner(frame).Slots[Slot];

    public void Write(Frame frame, object? value) => Owner(frame).Slots[Slot] = value;

    Frame Owner(Frame frame)
    {
        for (int i = 0; i < Hops; i++) frame = frame.Parent!;
        return frame;
    }
}

sealed class Name(string id, NameUse use) : Expression
{
    public string Id => id;

    public NameUse Use { get; set; } = use;

    public VariableAddress Address { get; set; }

    /// <summary>Set by the binder for names stored at the top level of a template with blocks: those read them from the
    /// context.</summary>
    public bool IsExported { get; set; }

    public override IEnumerable<Node> Children => [];

    public override object? Evaluate(Frame frame)
    {
        object? value = Address.Read(frame);
        return ReferenceEquals(value, Missing.Value) ? Undefined.Variable(id) : value;
    }
}

/// <summary>The target <c>ns.attribute</c> of a <c>set</c>.</summary>
sealed class NamespaceReference(string id, string attribute) : Expression
{
    public string Id => id;

    public VariableAddress Address { get; set; }

    public override IEnumerable<Node> Children => [];

    /// <summary>Jinja checks all namespaces of a target before the value is evaluated.</summary>
    public void Check(Frame frame)
    {
        if (Address.Read(frame) is not Namespace)
            throw Error.Runtime("cannot assign attribute on non-namespace object");
    }

    public void Store(Frame frame, object? value) => ((Namespace)Address.Read(frame)!).Set(attribute, value);

    public override object? Evaluate(Frame frame) => throw new InvalidOperationException("a target is not read");
}

/// <summary>Assignment to a name, a namespace attribute or a tuple of those.</summary>
static class Assignment
{
    public static void Store(Expression target, object? value, Frame frame)
    {
        switch (target)
        {
            case Name name:
                name.Address.Write(frame, value);
                if (name.IsExported) frame.Context.Variables[name.Id] = value;
                break;
            case NamespaceReference reference:
                reference.Store(frame, value);
                break;
            case TupleLiteral tuple:
                Unpack(tuple.Items, value, frame);
                break;
            default:
                throw new InvalidOperationException($"the parser accepted {target.GetType().Name} as a target");
        }
    }

    static void Unpack(Expression[] targets, object? value, Frame frame)
    {
        if (!Iteration.IsIterable(value))
            throw Error.Type($"cannot unpack non-iterable {PyType.NameOf(value)} object");
        using IEnumerator<object?> items = Iteration.Enumerate(frame.State, value).GetEnumerator();
        var values = new object?[targets.Length];
        for (int i = 0; i < targets.Length; i++)
            values[i] = items.MoveNext()
                ? items.Current
                : throw Error.Value($"not enough values to unpack (expected {targets.Length}, got {i})");
        if (items.MoveNext()) throw Error.Value($"too many values to unpack (expected {targets.Length})");
        for (int i = 0; i < targets.Length; i++) Store(targets[i], values[i], frame);
    }

    /// <summary>A second copy, to be bound to other slots.</summary>
    public static Expression Clone(Expression target) => target switch
    {
        Name name => new Name(name.Id, name.Use) { Line = name.Line },
        TupleLiteral tuple => new TupleLiteral([.. tuple.Items.Select(Clone)]) { Line = tuple.Line },
        _ => throw new InvalidOperationException($"the parser accepted {target.GetType().Name} as a loop target"),
    };
}
