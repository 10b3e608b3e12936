using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Syntax;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Nodes;

sealed class Arithmetic(TokenKind op, Expression left, Expression right) : Expression
{
    public override IEnumerable<Node> Children => [left, right];

    // Jinja writes a folded constant into Python source, where -2 ** x is -(2 ** x).
    readonly bool _isNegatedPower = op == TokenKind.Pow && left.IsConstant && !right.IsConstant;

    public override object? Evaluate(Frame frame)
    {
        object? value = left.Evaluate(frame);
        if (_isNegatedPower && value is long or double && PyNumber.Compare(value, 0L) < 0)
            return PyNumber.Negate(Operators.Apply(op, PyNumber.Negate(value), right.Evaluate(frame), frame.State)!);
        return Operators.Apply(op, value, right.Evaluate(frame), frame.State);
    }
}

sealed class Sign(bool negative, Expression operand) : Expression
{
    public override IEnumerable<Node> Children => [operand];

    public override object? Evaluate(Frame frame) => Operators.ApplySign(negative, operand.Evaluate(frame));
}

sealed class Not(Expression operand) : Expression
{
    public override IEnumerable<Node> Children => [operand];

    public override object? Evaluate(Frame frame) => Boxed.Bool(!Truth.Of(operand.Evaluate(frame)));
}

sealed class Logical(bool isAnd, Expression left, Expression right) : Expression
{
    public override IEnumerable<Node> Children => [left, right];

    public override object? Evaluate(Frame frame)
    {
        object? value = left.Evaluate(frame);
        return Truth.Of(value) == isAnd ? right.Evaluate(frame) : value;
    }
}

/// <summary><c>a ~ b ~ c</c>: the texts of all, one after the other; Markup loses its mark.</summary>
sealed class Concatenation(Expression[] items) : Expression
{
    public override IEnumerable<Node> Children => items;

    public override object? Evaluate(Frame frame)
    {
        var texts = new string[items.Length];
        long length = 0;
        for (int i = 0; i < items.Length; i++)
        {
            texts[i] = PyRepr.Str(items[i].Evaluate(frame), frame.State.Budget);
            length += texts[i].Length;
        }
        frame.State.Budget.AllocateString(length);
        return string.Concat(texts);
    }
}

/// <summary>A chain of comparisons: <c>a &lt; b &lt; c</c> evaluates b once.</summary>
sealed class Comparison(Expression first, (ComparisonOperator Operator, Expression Operand)[] rest) : Expression
{
    public override IEnumerable<Node> Children => [first, .. rest.Select(pair => pair.Operand)];

    public override object? Evaluate(Frame frame)
    {
        object? left = first.Evaluate(frame);
        foreach ((ComparisonOperator op, Expression operand) in rest)
        {
            object? right = operand.Evaluate(frame);
            if (!Operators.Compare(op, left, right, frame.State)) return Boxed.False;
            left = right;
        }
        return Boxed.True;
    }
}

sealed class Conditional(Expression test, Expression then, Expression? otherwise) : Expression
{
    public Expression? Otherwise => otherwise;

    public override IEnumerable<Node> Children => otherwise is null ? [test, then] : [test, then, otherwise];

    public override object? Evaluate(Frame frame)
    {
        if (Truth.Of(test.Evaluate(frame))) return then.Evaluate(frame);
        return otherwise is not null
            ? otherwise.Evaluate(frame)
            : Undefined.Hint($"the inline if-expression on line {Line} evaluated to false and no else section was defined.");
    }
}
