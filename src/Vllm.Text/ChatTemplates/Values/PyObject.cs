using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>
/// A value of a template that is no plain .NET value. The plain ones: <c>null</c> is None; <see cref="bool"/>,
/// <see cref="long"/> and, beyond its range only, <see cref="System.Numerics.BigInteger"/>; <see cref="double"/>;
/// <see cref="string"/>. Values do not change once made, except namespaces, cyclers, joiners and iterators.
/// </summary>
abstract class PyObject
{
    /// <summary>Python's name of the type.</summary>
    public abstract string TypeName { get; }

    /// <summary>The name with its module, for classes that are not built in.</summary>
    public virtual string QualifiedTypeName => TypeName;

    /// <summary>What <c>len()</c> gives, or <c>null</c>.</summary>
    public virtual int? Length => null;

    public virtual bool IsTrue => Length is not 0;

    /// <summary>The items, or <c>null</c> when the value cannot be iterated.</summary>
    public virtual IEnumerable<object?>? Items => null;

    /// <summary>A public attribute, or <see cref="Missing"/>.</summary>
    public virtual object? GetAttribute(string name) => Missing.Value;

    /// <summary><c>value[key]</c>, or <see cref="Missing"/> where Python raises a TypeError or a LookupError.</summary>
    public virtual object? GetItem(object? key) => Missing.Value;

    public abstract void WriteRepr(ReprWriter writer);

    public virtual bool IsEqualTo(object? other, Budget? budget, int depth) => ReferenceEquals(this, other);

    public virtual int ComputeHash(int depth) => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}

/// <summary>Stands for the value of a variable that has none, and for a lookup that found nothing.</summary>
sealed class Missing
{
    public static readonly Missing Value = new();
}

/// <summary>Shared boxes: most values of a template are these.</summary>
static class Boxed
{
    public static readonly object True = true;
    public static readonly object False = false;
    static readonly object[] SmallInts = [.. Enumerable.Range(0, 257).Select(i => (object)(long)i)];

    public static object Bool(bool value) => value ? True : False;

    public static object Int(long value) => (ulong)value < (ulong)SmallInts.Length ? SmallInts[value] : value;
}

/// <summary>Python's names of types.</summary>
static class PyType
{
    public static string NameOf(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or System.Numerics.BigInteger => "int",
        double => "float",
        string => "str",
        PyObject other => other.TypeName,
        _ => value.GetType().Name,
    };

    /// <summary>How messages about undefined attributes call an object.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "None",
        PyObject other => $"{other.QualifiedTypeName} object",
        _ => $"{NameOf(value)} object",
    };
}

static class Truth
{
    public static bool Of(object? value) => value switch
    {
        null => false,
        bool b => b,
        long i => i != 0,
        double d => d != 0,
        string s => s.Length > 0,
        PyObject other => other.IsTrue,
        _ => true, // a big integer is never zero
    };
}

/// <summary>Strings, marked as safe or not.</summary>
static class PyText
{
    /// <summary>The text of a string or Markup, otherwise <c>null</c>.</summary>
    public static string? Of(object? value) => value as string ?? (value as Markup)?.Content;
}
