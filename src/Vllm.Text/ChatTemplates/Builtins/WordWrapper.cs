using System.Text.RegularExpressions;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Filter <c>wordwrap</c>: Python's <c>textwrap.wrap</c> on every line.</summary>
static partial class WordWrapper
{
    /// <summary>White space in runs; words, cut after hyphens and around dashes. Python's <c>wordsep_re</c>.</summary>
    [GeneratedRegex("""
        ( [\t\n\v\f\r ]+
        | (?<=[\w!"'&.,?]) -{2,} (?=\w)
        | [^\t\n\v\f\r ]+? (?:
              -(?: (?<=[^\d\W]{2}-) | (?<=[^\d\W]-[\w!"'&.,?]-)) (?= [^\d\W] -? [^\d\W])
            | (?=[\t\n\v\f\r ]|\z)
            | (?<=[\w!"'&.,?]) (?=-{2,}\w)
            )
        )
        """, RegexOptions.IgnorePatternWhitespace | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ChunksWithHyphens();

    [GeneratedRegex("([\t\n\v\f\r ]+)", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ChunksOfSpace();

    public static object? Filter(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_wordwrap", 0, "width", "break_long_words", "wrapstring",
            "break_on_hyphens");
        if (value is Undefined undefined) throw undefined.Fail();
        string text = RequireText(value, "wordwrap");
        state.Budget.ScanWords(text);
        int width = OrInt(bound[0], 79);
        bool breakLongWords = IsMissing(bound[1]) || Truth.Of(bound[1]);
        bool breakOnHyphens = IsMissing(bound[3]) || Truth.Of(bound[3]);
        string separator = OrNone(bound[2]) is null ? "\n" : RequireText(bound[2], "wrapstring");
        var lines = new List<string>();
        foreach (string line in StringMethods.SplitLines(text, keepEnds: false))
            lines.Add(string.Join(separator, Wrap(line, width, breakLongWords, breakOnHyphens)));
        return string.Join(separator, lines);
    }

    static List<string> Wrap(string text, int width, bool breakLongWords, bool breakOnHyphens)
    {
        if (width <= 0) throw Error.Value($"invalid width {width} (must be > 0)");
        Regex pattern = breakOnHyphens ? ChunksWithHyphens() : ChunksOfSpace();
        Stack<string> chunks;
        try
        {
            chunks = new Stack<string>(pattern.Split(text).Where(chunk => chunk.Length > 0).Reverse());
        }
        catch (RegexMatchTimeoutException)
        {
            throw Error.Limit("wordwrap takes too long");
        }
        var lines = new List<string>();
        while (chunks.Count > 0)
        {
            if (lines.Count > 0 && IsBlank(chunks.Peek())) chunks.Pop();
            List<string> line = TakeLine(chunks, width, breakLongWords, breakOnHyphens);
            if (line.Count > 0 && IsBlank(line[^1])) line.RemoveAt(line.Count - 1);
            if (line.Count > 0) lines.Add(string.Concat(line));
        }
        return lines;
    }

    static bool IsBlank(string chunk) => PyChar.TrimEnd(chunk).Length == 0;

    static List<string> TakeLine(Stack<string> chunks, int width, bool breakLongWords, bool breakOnHyphens)
    {
        var line = new List<string>();
        int length = 0;
        while (chunks.TryPeek(out string? chunk) && length + PyString.Length(chunk) <= width)
        {
            line.Add(chunks.Pop());
            length += PyString.Length(chunk);
        }
        if (!chunks.TryPeek(out string? next) || PyString.Length(next) <= width) return line;
        if (breakLongWords) BreakWord(line, chunks, width - length, breakOnHyphens);
        else if (line.Count == 0) line.Add(chunks.Pop());
        return line;
    }

    /// <summary>Fills the rest of the line with the beginning of a word that fits on no line.</summary>
    static void BreakWord(List<string> line, Stack<string> chunks, int room, bool breakOnHyphens)
    {
        string word = chunks.Pop();
        int end = PyString.UnitIndex(word, Math.Max(room, 1));
        if (breakOnHyphens && PyString.Length(word) > room && room > 0)
        {
            int hyphen = word.LastIndexOf('-', Math.Max(end - 1, 0));
            if (hyphen > 0 && word.AsSpan(0, hyphen).ContainsAnyExcept('-')) end = hyphen + 1;
        }
        line.Add(word[..end]);
        if (end < word.Length) chunks.Push(word[end..]);
    }
}
