using Vllm.Text.ChatTemplates.Builtins;
using Vllm.Text.ChatTemplates.Syntax;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Runtime;

enum ComparisonOperator { Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, In, NotIn }

/// <summary>Operators on values of any type.</summary>
static class Operators
{
    public static object? Apply(TokenKind op, object? left, object? right, RenderState state)
    {
        if (left is Undefined undefinedLeft) throw undefinedLeft.Fail();
        // % formats with an undefined as with any other value
        bool formats = op == TokenKind.Mod && PyText.Of(left) is not null;
        if (right is Undefined undefinedRight && !formats) throw undefinedRight.Fail();
        if (PyNumber.IsNumber(left) && PyNumber.IsNumber(right)) return ApplyToNumbers(op, left!, right!);
        return op switch
        {
            TokenKind.Add => Add(left, right, state),
            TokenKind.Mul when PyNumber.IsInt(right) => Repeat(left, right, state),
            TokenKind.Mul when PyNumber.IsInt(left) => Repeat(right, left, state),
            TokenKind.Mod when left is string format => PercentFormat.Format(format, right, state),
            TokenKind.Mod when left is Markup format =>
                new Markup(PercentFormat.Format(format.Content, right, state, escape: true)),
            TokenKind.Sub when left is DictView { IsSetLike: true } view => Subtract(view, right, state),
            _ => throw Unsupported(op, left, right),
        };
    }

    static ChatTemplateException Unsupported(TokenKind op, object? left, object? right)
    {
        string symbol = op == TokenKind.Pow ? "** or pow()" : Token.Describe(op);
        string types = $"'{PyType.NameOf(left)}' and '{PyType.NameOf(right)}'";
        return Error.Type($"unsupported operand type(s) for {symbol}: {types}");
    }

    static object ApplyToNumbers(TokenKind op, object left, object right) => op switch
    {
        TokenKind.Add => PyNumber.Add(left, right),
        TokenKind.Sub => PyNumber.Subtract(left, right),
        TokenKind.Mul => PyNumber.Multiply(left, right),
        TokenKind.Div => PyNumber.Divide(left, right),
        TokenKind.FloorDiv => PyNumber.FloorDivide(left, right),
        TokenKind.Mod => PyNumber.Modulo(left, right),
        _ => PyNumber.Power(left, right),
    };

    public static object? Add(object? left, object? right, RenderState state)
    {
        if (PyNumber.IsNumber(left) && PyNumber.IsNumber(right)) return PyNumber.Add(left!, right!);
        switch (left, right)
        {
            case (string a, string b):
                state.Budget.AllocateString((long)a.Length + b.Length);
                return a + b;
            case (Markup or string, Markup or string):
                string text = Markup.Escape(left, state.Budget).Content + Markup.Escape(right, state.Budget).Content;
                state.Budget.AllocateString(text.Length);
                return new Markup(text);
            case (PyList a, PyList b): return new PyList(Concatenate(a.Values, b.Values, state));
            case (PyTuple a, PyTuple b): return new PyTuple(Concatenate(a.Values, b.Values, state));
            case (PyBytes a, PyBytes b): return new PyBytes([.. a.Content, .. b.Content]);
            case (Undefined undefined, _): throw undefined.Fail();
            case (_, Undefined undefined): throw undefined.Fail();
            case (string, _): throw Error.Type($"can only concatenate str (not \"{PyType.NameOf(right)}\") to str");
            case (PyList, _): throw Error.Type($"can only concatenate list (not \"{PyType.NameOf(right)}\") to list");
            case (PyTuple, _):
                throw Error.Type($"can only concatenate tuple (not \"{PyType.NameOf(right)}\") to tuple");
            default: throw Unsupported(TokenKind.Add, left, right);
        }
    }

    static object?[] Concatenate(object?[] left, object?[] right, RenderState state)
    {
        state.Budget.AllocateItems((long)left.Length + right.Length);
        return [.. left, .. right];
    }

    static object? Repeat(object? value, object? times, RenderState state)
    {
        if (times is System.Numerics.BigInteger) throw Error.Overflow("cannot fit 'int' into an index-sized integer");
        long count = Math.Max(0, PyNumber.RequireIndex(times));
        switch (value)
        {
            case string text: return RepeatText(text, count, state);
            case Markup markup: return new Markup(RepeatText(markup.Content, count, state));
            case PyList list: return new PyList(RepeatItems(list.Values, count, state));
            case PyTuple tuple: return new PyTuple(RepeatItems(tuple.Values, count, state));
            case PyBytes bytes:
                state.Budget.AllocateString(bytes.Content.Length * count);
                return new PyBytes([.. Enumerable.Repeat(bytes.Content, (int)count).SelectMany(content => content)]);
            default: throw Unsupported(TokenKind.Mul, value, times);
        }
    }

    static string RepeatText(string text, long count, RenderState state)
    {
        if (text.Length == 0) return "";
        state.Budget.AllocateString(text.Length * count);
        return new System.Text.StringBuilder(text.Length * (int)count).Insert(0, text, (int)count).ToString();
    }

    static object?[] RepeatItems(object?[] items, long count, RenderState state)
    {
        if (items.Length == 0) return [];
        state.Budget.AllocateItems(items.Length * count);
        var result = new object?[items.Length * count];
        for (long i = 0; i < count; i++) items.CopyTo(result, i * items.Length);
        return result;
    }

    /// <summary><c>d.keys() - other</c>. Python gives a set; a tuple has all that templates do with one but its
    /// repr.</summary>
    static PyTuple Subtract(DictView view, object? other, RenderState state)
    {
        object?[] removed = [.. Iteration.Enumerate(state, other)];
        state.Budget.Step((long)removed.Length * view.Dict.Entries.Count);
        return new PyTuple([.. view.Items.Where(item =>
            !removed.Any(value => PyEquality.AreEqual(item, value, state.Budget)))]);
    }

    public static object? ApplySign(bool negative, object? value) => value switch
    {
        Undefined undefined => throw undefined.Fail(),
        _ when PyNumber.IsNumber(value) => negative
            ? PyNumber.Negate(value!)
            : value is bool ? PyNumber.Normalize(PyNumber.ToBig(value)) : value,
        _ => throw Error.Type($"bad operand type for unary {(negative ? '-' : '+')}: '{PyType.NameOf(value)}'"),
    };

    public static bool Compare(ComparisonOperator op, object? left, object? right, RenderState state) => op switch
    {
        ComparisonOperator.Equal => AreEqual(left, right, state),
        ComparisonOperator.NotEqual => !AreEqual(left, right, state),
        ComparisonOperator.In => Containment.Contains(right, left, state),
        ComparisonOperator.NotIn => !Containment.Contains(right, left, state),
        _ => Ordering.Holds(op, left, right, state),
    };

    static bool AreEqual(object? left, object? right, RenderState state)
    {
        if (left is string text) state.Budget.Scan(text.Length);
        return PyEquality.AreEqual(left, right, state.Budget);
    }
}
