using Vllm.Text.ChatTemplates.Runtime;

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

    public override object? Evaluate(Frame frame)
    {
        object? value = target.Evaluate(frame);
        return key is Slice slice
            ? Slicing.Apply(value, slice.Bounds(frame), frame.State)
            : Access.GetItem(value, key.Evaluate(frame));
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
