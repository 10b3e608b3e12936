namespace Vllm.Text.ChatTemplates;

/// <summary>
/// What one compilation or rendering may use. Templates come with downloaded models and may be named in a request, so
/// none may loop for ever, overflow the stack or take all memory. Every limit is far above what published templates
/// need for a prompt of a million tokens.
/// </summary>
public static class RenderLimits
{
    /// <summary>Loop iterations, statements, calls and items visited by built-ins: a few seconds at the
    /// worst.</summary>
    public const long MaxSteps = 5_000_000;

    /// <summary>UTF-16 units of all strings built (lists count four a item) while rendering: 128 MiB even if the
    /// template keeps every one of them.</summary>
    public const long MaxAllocatedUnits = 64L << 20;

    /// <summary>UTF-16 units of one string, the prompt included.</summary>
    public const int MaxStringUnits = 16 << 20;

    /// <summary>Nested calls of macros and recursive loops. Python gives up after some 250 with its default recursion
    /// limit of 1,000; this many fit the 1.5 MB stacks of .NET's pool threads.</summary>
    public const int MaxCallDepth = 250;

    /// <summary>Lists in lists that are printed or written as JSON: Python's default recursion limit.</summary>
    public const int MaxValueDepth = 1000;

    /// <summary>Nesting of the source: tags in tags, parentheses in parentheses, operators in a chain. Python's
    /// compiler refuses 200 nested parentheses.</summary>
    public const int MaxSourceDepth = 200;

    /// <summary>Bits of an integer: a power tower would take memory without bound, and no prompt prints one.</summary>
    public const int MaxIntegerBits = 1 << 17;
}
