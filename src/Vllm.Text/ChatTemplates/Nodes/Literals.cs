using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

sealed class Constant(object? value) : Expression
{
    public object? Value => value;

    public override bool IsConstant => true;

    public override IEnumerable<Node> Children => [];

    public override object? Evaluate(Frame frame) => value;
}

sealed class TupleLiteral(Expression[] items) : Expression
{
    public Expression[] Items => items;

    public override IEnumerable<Node> Children => items;

    public override object? Evaluate(Frame frame) => new PyTuple(Evaluate(items, frame));

    public static object?[] Evaluate(Expression[] items, Frame frame)
    {
        if (items.Length == 0) return [];
        var values = new object?[items.Length];
        for (int i = 0; i < items.Length; i++) values[i] = items[i].Evaluate(frame);
        return values;
    }
}

sealed class ListLiteral(Expression[] items) : Expression
{
    public override IEnumerable<Node> Children => items;

    public override object? Evaluate(Frame frame)
    {
        frame.State.Budget.AllocateItems(items.Length);
        return new PyList(TupleLiteral.Evaluate(items, frame));
    }
}

sealed class DictLiteral((Expression Key, Expression Value)[] items) : Expression
{
    public override IEnumerable<Node> Children => items.SelectMany(item => new Node[] { item.Key, item.Value });

    public override object? Evaluate(Frame frame)
    {
        frame.State.Budget.AllocateItems(items.Length);
        var dict = new PyDict(items.Length);
        foreach ((Expression key, Expression value) in items) dict.Set(key.Evaluate(frame), value.Evaluate(frame));
        return dict;
    }
}
