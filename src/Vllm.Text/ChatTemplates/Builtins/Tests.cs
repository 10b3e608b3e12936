using System.Collections.Frozen;
using System.Numerics;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

delegate bool Test(RenderState state, object? value, Arguments arguments);

/// <summary>All tests of Jinja 3.1.6.</summary>
static class Tests
{
    static readonly FrozenDictionary<string, Test> All = new Dictionary<string, Test>
    {
        ["odd"] = Plain("odd", (state, value) => Modulo(value, 2L, state) == 1),
        ["even"] = Plain("even", (state, value) => Modulo(value, 2L, state) == 0),
        ["divisibleby"] = Binary("divisibleby", "num", (state, value, other) => Modulo(value, other, state) == 0),
        ["defined"] = Plain("defined", (_, value) => value is not Undefined),
        ["undefined"] = Plain("undefined", (_, value) => value is Undefined),
        ["filter"] = Plain("filter", (_, value) => Name(value) is { } name && Filters.Find(name) is not null),
        ["test"] = Plain("test", (_, value) => Name(value) is { } name && Find(name) is not null),
        ["none"] = Plain("none", (_, value) => value is null),
        ["boolean"] = Plain("boolean", (_, value) => value is bool),
        ["false"] = Plain("false", (_, value) => value is false),
        ["true"] = Plain("true", (_, value) => value is true),
        ["integer"] = Plain("integer", (_, value) => value is long or BigInteger),
        ["float"] = Plain("float", (_, value) => value is double),
        ["lower"] = Plain("lower", (state, value) => StringTests.IsLower(PyRepr.Str(value, state.Budget))),
        ["upper"] = Plain("upper", (state, value) => StringTests.IsUpper(PyRepr.Str(value, state.Budget))),
        ["string"] = Plain("string", (_, value) => value is string or Markup),
        ["mapping"] = Plain("mapping", (_, value) => value is PyDict),
        ["number"] = Plain("number", (_, value) => PyNumber.IsNumber(value)),
        ["sequence"] = Plain("sequence", (_, value) =>
            value is string or Markup or PyList or PyTuple or PyDict or PyRange or PyBytes or Undefined),
        ["iterable"] = Plain("iterable", (_, value) => Iteration.IsIterable(value) || value is LoopContext),
        ["callable"] = Plain("callable", (_, value) => value is ICallable or Undefined),
        ["sameas"] = Binary("sameas", "other", (_, value, other) => IsSame(value, other)),
        ["escaped"] = Plain("escaped", (_, value) => value is Markup),
        ["in"] = Binary("in", "seq", (state, value, other) => Containment.Contains(other, value, state)),
        ["=="] = Comparing(ComparisonOperator.Equal),
        ["eq"] = Comparing(ComparisonOperator.Equal),
        ["equalto"] = Comparing(ComparisonOperator.Equal),
        ["!="] = Comparing(ComparisonOperator.NotEqual),
        ["ne"] = Comparing(ComparisonOperator.NotEqual),
        [">"] = Comparing(ComparisonOperator.Greater),
        ["gt"] = Comparing(ComparisonOperator.Greater),
        ["greaterthan"] = Comparing(ComparisonOperator.Greater),
        ["ge"] = Comparing(ComparisonOperator.GreaterOrEqual),
        [">="] = Comparing(ComparisonOperator.GreaterOrEqual),
        ["<"] = Comparing(ComparisonOperator.Less),
        ["lt"] = Comparing(ComparisonOperator.Less),
        ["lessthan"] = Comparing(ComparisonOperator.Less),
        ["<="] = Comparing(ComparisonOperator.LessOrEqual),
        ["le"] = Comparing(ComparisonOperator.LessOrEqual),
    }.ToFrozenDictionary();

    public static Test? Find(string name) => All.GetValueOrDefault(name);

    static Test Plain(string name, Func<RenderState, object?, bool> test) => (state, value, arguments) =>
    {
        arguments.RequireNone($"test_{name}");
        return test(state, value);
    };

    static Test Binary(string name, string parameter, Func<RenderState, object?, object?, bool> test) =>
        (state, value, arguments) => test(state, value, arguments.Bind($"test_{name}", 1, parameter)[0]);

    static Test Comparing(ComparisonOperator op) => (state, value, arguments) =>
        Operators.Compare(op, value, arguments.Bind("operator", 1, "/b")[0], state);

    static string? Name(object? value) =>
        PyEquality.IsHashable(value) ? PyText.Of(value)
            : throw Error.Type($"unhashable type: '{PyType.NameOf(value)}'");

    static double Modulo(object? value, object? divisor, RenderState state) =>
        Operators.Apply(Syntax.TokenKind.Mod, value, divisor, state) is { } rest && PyNumber.IsNumber(rest)
            ? PyNumber.ToDouble(rest)
            : double.NaN;

    /// <summary>Python's <c>is</c>. Equal small values are one object there (interned), larger ones may be.</summary>
    static bool IsSame(object? value, object? other) => (value, other) switch
    {
        (bool a, bool b) => a == b,
        (long a, long b) => a == b,
        (string { Length: <= 1 } a, string b) => a == b,
        _ => ReferenceEquals(value, other),
    };
}
