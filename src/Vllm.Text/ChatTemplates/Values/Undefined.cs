using Vllm.Text.ChatTemplates.Runtime;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>The value of what does not exist: prints as nothing, is false and empty; anything else done with it fails
/// with the message that it carries.</summary>
sealed class Undefined : PyObject
{
    readonly Func<string> _message; // most are never used: templates ask for keys that messages lack
    readonly ChatTemplateErrorKind _kind;

    Undefined(Func<string> message, ChatTemplateErrorKind kind = ChatTemplateErrorKind.Undefined)
    {
        _message = message;
        _kind = kind;
    }

    public static Undefined Hint(string message) => new(() => message);

    public static Undefined Variable(string name) => new(() => $"'{name}' is undefined");

    public static Undefined Item(object? value, object? key) => PyText.Of(key) is { } name
        ? new(() => $"'{PyType.Describe(value)}' has no attribute {PyRepr.Repr(name)}")
        : new(() => $"{PyType.Describe(value)} has no element {PyRepr.Repr(key, new Budget())}");

    /// <summary>An undefined that raises a certain error when it is used.</summary>
    public static Undefined Failing(ChatTemplateException error) => new(() => error.Message, error.Kind);

    /// <summary>What the sandbox gives instead of an attribute that it hides.</summary>
    public static Undefined Unsafe(object? value, string name) => new(
        () => $"access to attribute '{name}' of '{PyType.NameOf(value)}' object is unsafe.", ChatTemplateErrorKind.Security);

    public ChatTemplateException Fail() => new(_kind, _message());

    public override string TypeName => "Undefined";

    public override string QualifiedTypeName => "jinja2.runtime.Undefined";

    public override int? Length => 0;

    public override IEnumerable<object?> Items => [];

    public override void WriteRepr(ReprWriter writer) => writer.Append("Undefined");

    public override bool IsEqualTo(object? other, Budget? budget, int depth) => other is Undefined;

    public override int ComputeHash(int depth) => 1;
}
