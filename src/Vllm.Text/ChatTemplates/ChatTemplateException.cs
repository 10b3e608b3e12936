namespace Vllm.Text.ChatTemplates;

/// <summary>What went wrong; named after the Python exception that Jinja ends with, so that messages can be
/// compared.</summary>
public enum ChatTemplateErrorKind
{
    /// <summary>The source is not a template; only <see cref="ChatTemplate.Compile"/> gives this.</summary>
    Syntax,
    /// <summary>Something was done with a variable or attribute that does not exist.</summary>
    Undefined,
    /// <summary>The sandbox refused it: private attributes, methods that change their object.</summary>
    Security,
    /// <summary>The template called <c>raise_exception</c>; the message is the template's own.</summary>
    Raise,
    Runtime,
    Type,
    Value,
    ZeroDivision,
    Overflow,
    Recursion,
    Key,
    Index,
    Attribute,
    Assertion,
    /// <summary>One of <see cref="RenderLimits"/> was reached; Jinja has no such limits.</summary>
    Limit,
}

/// <summary>A template that cannot be compiled, or cannot be rendered with the given variables.</summary>
public sealed class ChatTemplateException(ChatTemplateErrorKind kind, string message, int? line = null)
    : Exception(message)
{
    public ChatTemplateErrorKind Kind { get; } = kind;

    /// <summary>Line of the template, 1 is the first; <c>null</c> when the error has no place in it.</summary>
    public int? Line { get; internal set; } = line;
}

/// <summary>Makes the exceptions of the evaluator, one method per Python class.</summary>
static class Error
{
    public static ChatTemplateException Syntax(string message, int line) =>
        new(ChatTemplateErrorKind.Syntax, message, line);

    public static ChatTemplateException Type(string message) => new(ChatTemplateErrorKind.Type, message);

    public static ChatTemplateException Value(string message) => new(ChatTemplateErrorKind.Value, message);

    public static ChatTemplateException Runtime(string message) => new(ChatTemplateErrorKind.Runtime, message);

    public static ChatTemplateException Overflow(string message) => new(ChatTemplateErrorKind.Overflow, message);

    public static ChatTemplateException Security(string message) => new(ChatTemplateErrorKind.Security, message);

    public static ChatTemplateException Index(string message) => new(ChatTemplateErrorKind.Index, message);

    public static ChatTemplateException Key(string message) => new(ChatTemplateErrorKind.Key, message);

    public static ChatTemplateException Limit(string message) => new(ChatTemplateErrorKind.Limit, message);

    public static ChatTemplateException ZeroDivision(string message) =>
        new(ChatTemplateErrorKind.ZeroDivision, message);

    public static ChatTemplateException Recursion() =>
        new(ChatTemplateErrorKind.Recursion, "maximum recursion depth exceeded");
}
