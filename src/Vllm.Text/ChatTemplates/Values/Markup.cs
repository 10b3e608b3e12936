using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Text marked as HTML (filters <c>safe</c> and <c>escape</c>): a string, but plain strings that are joined to
/// it are escaped.</summary>
sealed class Markup(string content) : PyObject
{
    public string Content => content;

    public override string TypeName => "Markup";

    public override string QualifiedTypeName => "markupsafe.Markup";

    public override int? Length => PyString.Length(content);

    public override bool IsTrue => content.Length > 0;

    public override IEnumerable<object?> Items => PyString.CodePoints(content);

    public override void WriteRepr(ReprWriter writer)
    {
        writer.Append("Markup(");
        writer.WriteString(content);
        writer.Append(")");
    }

    public override bool IsEqualTo(object? other, Budget? budget, int depth) => PyText.Of(other) == content;

    public override int ComputeHash(int depth) => content.GetHashCode();

    public static Markup Escape(object? value, Budget budget) =>
        value as Markup ?? new Markup(EscapeText(PyRepr.Str(value, budget)));

    public static string EscapeText(string text) =>
        text.AsSpan().IndexOfAny("&<>\"'") < 0
            ? text
            : text.Replace("&", "&amp;").Replace(">", "&gt;").Replace("<", "&lt;")
                .Replace("'", "&#39;").Replace("\"", "&#34;");

    /// <summary>Marks the texts of a result: what Markup's methods do that are those of strings otherwise.</summary>
    public static object? Mark(object? value) => value switch
    {
        string text => new Markup(text),
        PyList list => new PyList([.. list.Values.Select(Mark)]),
        PyTuple tuple => new PyTuple([.. tuple.Values.Select(Mark)]),
        _ => value,
    };
}
