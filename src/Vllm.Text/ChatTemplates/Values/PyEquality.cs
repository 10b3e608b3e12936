using System.Numerics;
using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Equality and hashes as Python has them: numbers of all kinds compare by value, texts by text, sequences
/// item by item. Budgets are optional because keys of dicts are compared outside of any step.</summary>
static class PyEquality
{
    public static bool AreEqual(object? left, object? right, Budget? budget = null, int depth = 0)
    {
        if (ReferenceEquals(left, right)) return left is not double.NaN || depth > 0;
        if (left is string a && right is string b) return a == b;
        if (left is PyObject own) return own.IsEqualTo(right, budget, depth);
        if (right is PyObject other) return other.IsEqualTo(left, budget, depth);
        return PyNumber.IsNumber(left) && PyNumber.IsNumber(right) && PyNumber.AreEqual(left!, right!);
    }

    public static bool AreEqual(object?[] left, object?[] right, Budget? budget, int depth)
    {
        RenderState.CheckStack();
        if (left.Length != right.Length) return false;
        budget?.Step(left.Length);
        for (int i = 0; i < left.Length; i++)
            if (!AreEqual(left[i], right[i], budget, depth + 1))
                return false;
        return true;
    }

    public static bool IsHashable(object? value, int depth = 0) => value switch
    {
        PyList or PyDict => false,
        PyTuple when depth > MaxHashDepth => throw Error.Recursion(),
        PyTuple tuple => tuple.Values.All(item => IsHashable(item, depth + 1)),
        DictView view => !view.IsSetLike,
        _ => true,
    };

    public static int Hash(object? value, int depth = 0)
    {
        if (depth > MaxHashDepth) throw Error.Recursion();
        return value switch
        {
            null => 0,
            string text => text.GetHashCode(),
            PyObject other => other.ComputeHash(depth),
            bool b => b ? 1 : 0,
            long i => i.GetHashCode(),
            BigInteger big => big.GetHashCode(),
            double d when Math.Floor(d) == d && !double.IsInfinity(d) =>
                PyNumber.Normalize(new BigInteger(d)).GetHashCode(),
            double d => d.GetHashCode(),
            _ => throw Error.Type($"unhashable type: '{PyType.NameOf(value)}'"),
        };
    }

    /// <summary>Tuples that hold one tuple twice, and so on, take time that doubles with each level.</summary>
    const int MaxHashDepth = 16;
}
