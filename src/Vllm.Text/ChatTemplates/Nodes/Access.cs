using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

sealed class GetAttribute(Expression target, string attribute) : Expression
{
    public Expression Target => target;

    public string Attribute => attribute;

    public override IEnumerable<Node> Children => [target];

    public override object? Evaluate(Frame frame) => Access.GetAttribute(target.Evaluate(frame), attribute);
}

sealed class GetItem(Expression target, Expression key) : Expression
{
    public Expression Target => target;

    public Expression Key => key;

    public override IEnumerable<Node> Children => [target, key];

    /// <summary>Set by the binder for constants that Jinja evaluates while compiling. There a slice of what cannot be
    /// sliced is undefined, at run time it is an error.</summary>
    public bool IsFolded { get; set; }

    public override object? Evaluate(Frame frame)
    {
        object? value = target.Evaluate(frame);
        if (value is string text) frame.State.Budget.Scan(text.Length);
        if (key is not Slice slice) return Access.GetItem(value, key.Evaluate(frame));
        SliceBounds bounds = slice.Bounds(frame);
        try
        {
            return Slicing.Apply(value, bounds, frame.State);
        }
        catch (ChatTemplateException exception) when (IsFolded && exception.Kind == ChatTemplateErrorKind.Type)
        {
            return Undefined.Failing(exception);
        }
    }
}

sealed class Slice(Expression? start, Expression? stop, Expression? step) : Expression
{
    public override IEnumerable<Node> Children => new Node?[] { start, stop, step }.OfType<Node>();

    public SliceBounds Bounds(Frame frame) =>
        new(start?.Evaluate(frame), stop?.Evaluate(frame), step?.Evaluate(frame));

    // Only reached for a slice inside a tuple index (x[1:2, 3]), which no sandboxed value accepts.
    public override object? Evaluate(Frame frame) => Bounds(frame);
}
