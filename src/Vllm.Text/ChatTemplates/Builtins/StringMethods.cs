using System.Collections.Frozen;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>The methods of Python's <c>str</c>, and those that Markup adds.</summary>
static class StringMethods
{
    delegate object? Method(string text, Arguments arguments, RenderState state);

    static readonly FrozenDictionary<string, Method> Methods = new Dictionary<string, Method>
    {
        ["capitalize"] = Plain("capitalize", PyCase.Capitalize),
        ["casefold"] = Plain("casefold", PyCase.Fold),
        ["lower"] = Plain("lower", PyCase.Lower),
        ["swapcase"] = Plain("swapcase", PyCase.SwapCase),
        ["title"] = Plain("title", PyCase.Title),
        ["upper"] = Plain("upper", PyCase.Upper),
        ["center"] = Padding("center", Center),
        ["ljust"] = Padding("ljust", (text, width, fill, state) =>
            text + Fill(width - PyString.Length(text), fill, state)),
        ["rjust"] = Padding("rjust", (text, width, fill, state) =>
            Fill(width - PyString.Length(text), fill, state) + text),
        ["zfill"] = ZFill,
        ["expandtabs"] = ExpandTabs,
        ["strip"] = Stripping("strip", left: true, right: true),
        ["lstrip"] = Stripping("lstrip", left: true, right: false),
        ["rstrip"] = Stripping("rstrip", left: false, right: true),
        ["removeprefix"] = RemovePrefix,
        ["removesuffix"] = RemoveSuffix,
        ["replace"] = Replace,
        ["split"] = (text, arguments, state) => Split(text, arguments, fromRight: false),
        ["rsplit"] = (text, arguments, state) => Split(text, arguments, fromRight: true),
        ["splitlines"] = SplitLines,
        ["partition"] = (text, arguments, state) => Partition(text, arguments, fromRight: false),
        ["rpartition"] = (text, arguments, state) => Partition(text, arguments, fromRight: true),
        ["join"] = Join,
        ["count"] = StringSearch.Count,
        ["find"] = (text, arguments, state) =>
            StringSearch.Find(text, arguments, "find", fromRight: false, required: false),
        ["rfind"] = (text, arguments, state) =>
            StringSearch.Find(text, arguments, "rfind", fromRight: true, required: false),
        ["index"] = (text, arguments, state) =>
            StringSearch.Find(text, arguments, "index", fromRight: false, required: true),
        ["rindex"] = (text, arguments, state) =>
            StringSearch.Find(text, arguments, "rindex", fromRight: true, required: true),
        ["startswith"] = (text, arguments, state) => StringSearch.Affix(text, arguments, "startswith", atEnd: false),
        ["endswith"] = (text, arguments, state) => StringSearch.Affix(text, arguments, "endswith", atEnd: true),
        ["translate"] = Translate,
        ["maketrans"] = MakeTrans,
        ["encode"] = Encode,
        ["format"] = (text, arguments, state) => new BraceFormat(state, arguments).Format(text),
        ["format_map"] = FormatMap,
    }.ToFrozenDictionary();

    /// <summary>The method as a function, or <see cref="Missing"/>.</summary>
    public static object Find(string text, bool isMarkup, string name)
    {
        if (isMarkup && MarkupMethods.Find(text, name) is { } special) return special;
        if (StringTests.Find(name) is { } test)
            return new NativeFunction(name, (state, arguments) =>
            {
                arguments.RequireNone(name);
                state.Budget.Scan(text.Length);
                return Boxed.Bool(test(text));
            });
        if (!Methods.TryGetValue(name, out Method? method)) return Missing.Value;
        return new NativeFunction(name, (state, arguments) =>
        {
            state.Budget.Scan(text.Length);
            object? result = method(text, arguments, state);
            if (result is string built) state.Budget.AllocateString(built.Length);
            return isMarkup && name is not "encode" ? Markup.Mark(result) : result;
        });
    }

    static Method Plain(string name, Func<string, string> map) => (text, arguments, _) =>
    {
        arguments.RequireNone(name);
        return map(text);
    };

    static Method Padding(string name, Func<string, int, string, RenderState, string> pad) =>
        (text, arguments, state) =>
    {
        object?[] bound = arguments.Bind(name, 1, "/width", "/fillchar");
        string fill = IsMissing(bound[1]) ? " " : RequireText(bound[1], name);
        if (PyString.Length(fill) != 1) throw Error.Type("The fill character must be exactly one character long");
        return pad(text, PyNumber.RequireIndex(bound[0]), fill, state);
    };

    static string Fill(long count, string fill, RenderState state)
    {
        if (count <= 0) return "";
        state.Budget.AllocateString(count * fill.Length);
        return new StringBuilder().Insert(0, fill, (int)count).ToString();
    }

    /// <summary>An odd blank goes to the left if the width is odd too, as in Python.</summary>
    public static string Center(string text, int width, string fill, RenderState state)
    {
        long missing = width - (long)PyString.Length(text);
        if (missing <= 0) return text;
        long left = missing / 2 + (missing & width & 1);
        return Fill(left, fill, state) + text + Fill(missing - left, fill, state);
    }

    static string ZFill(string text, Arguments arguments, RenderState state)
    {
        int width = PyNumber.RequireIndex(arguments.Bind("zfill", 1, "/width")[0]);
        string zeros = Fill(width - (long)PyString.Length(text), "0", state);
        return text.Length > 0 && text[0] is '+' or '-' ? text[0] + zeros + text[1..] : zeros + text;
    }

    static string ExpandTabs(string text, Arguments arguments, RenderState state)
    {
        int size = OrInt(arguments.Bind("expandtabs", 0, "tabsize")[0], 8);
        var result = new StringBuilder();
        int column = 0;
        foreach (string point in PyString.CodePoints(text))
        {
            if (point == "\t")
            {
                int blanks = size > 0 ? size - column % size : 0;
                result.Append(Fill(blanks, " ", state));
                column += blanks;
                continue;
            }
            column = point is "\n" or "\r" ? 0 : column + 1;
            result.Append(point);
        }
        return result.ToString();
    }

    static Method Stripping(string name, bool left, bool right) => (text, arguments, _) =>
        Strip(text, OrNone(arguments.Bind(name, 0, "/chars")[0]), left, right);

    /// <param name="text">The text.</param>
    /// <param name="chars">A set of characters, or None for white space.</param>
    /// <param name="left">Whether to strip the beginning.</param>
    /// <param name="right">Whether to strip the end.</param>
    public static string Strip(string text, object? chars, bool left, bool right)
    {
        if (chars is not null && PyText.Of(chars) is null)
            throw Error.Type($"strip arg must be None or str, not {PyType.NameOf(chars)}");
        HashSet<string>? set = chars is null ? null : [.. PyString.CodePoints(PyText.Of(chars)!)];
        int start = 0, end = text.Length;
        while (left && start < end && IsStripped(start)) start += PyString.UnitsAt(text, start);
        while (right && end > start && IsStripped(Before(end))) end = Before(end);
        return text[start..end];

        bool IsStripped(int index) => set?.Contains(PyString.CodePointAt(text, index)) ?? PyChar.IsSpace(text[index]);

        int Before(int index) =>
            index >= 2 && char.IsLowSurrogate(text[index - 1])
                && char.IsHighSurrogate(text[index - 2]) ? index - 2 : index - 1;
    }

    static string RemovePrefix(string text, Arguments arguments, RenderState state)
    {
        string prefix = RequireText(arguments.Bind("removeprefix", 1, "/prefix")[0], "removeprefix()");
        return text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;
    }

    static string RemoveSuffix(string text, Arguments arguments, RenderState state)
    {
        string suffix = RequireText(arguments.Bind("removesuffix", 1, "/suffix")[0], "removesuffix()");
        return text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text;
    }

    static string Replace(string text, Arguments arguments, RenderState state)
    {
        object?[] bound = arguments.Bind("replace", 2, "/old", "/new", "/count");
        return Replace(text, RequireText(bound[0], "replace()"), RequireText(bound[1], "replace()"),
            OrInt(bound[2], -1), state);
    }

    /// <summary>Replaces the first <paramref name="count"/> occurrences, all if that is negative. An empty old text
    /// stands between all characters.</summary>
    public static string Replace(string text, string old, string replacement, int count, RenderState state)
    {
        if (count == 0) return text;
        if (old.Length > 0 && count < 0 && replacement.Length <= old.Length)
            return text.Replace(old, replacement, StringComparison.Ordinal);
        var result = new StringBuilder();
        int position = 0;
        for (int found = 0; count < 0 || found < count; found++)
        {
            int next = old.Length > 0 ? text.IndexOf(old, position, StringComparison.Ordinal)
                : position + (found == 0 ? 0 : Unit(position));
            if (next < 0 || next > text.Length) break;
            result.Append(text, position, next - position).Append(replacement);
            position = next + old.Length;
            if (result.Length > RenderLimits.MaxStringUnits) state.Budget.AllocateString(result.Length);
        }
        return result.Append(text, position, text.Length - position).ToString();

        int Unit(int index) => index < text.Length ? PyString.UnitsAt(text, index) : text.Length + 1;
    }

    static PyList Split(string text, Arguments arguments, bool fromRight)
    {
        object?[] bound = arguments.Bind(fromRight ? "rsplit" : "split", 0, "sep", "maxsplit");
        int limit = OrInt(bound[1], -1);
        if (OrNone(bound[0]) is null)
            return Texts(fromRight ? SplitWordsFromRight(text, limit) : SplitWords(text, limit));
        string separator = RequireText(bound[0], "split()");
        if (separator.Length == 0) throw Error.Value("empty separator");
        return Texts(fromRight ? SplitFromRight(text, separator, limit) : SplitFromLeft(text, separator, limit));
    }

    static PyList Texts(List<string> parts) => new([.. parts]);

    static List<string> SplitFromLeft(string text, string separator, int limit)
    {
        var parts = new List<string>();
        int start = 0;
        while ((limit < 0 || parts.Count < limit)
            && text.IndexOf(separator, start, StringComparison.Ordinal) is >= 0 and int found)
        {
            parts.Add(text[start..found]);
            start = found + separator.Length;
        }
        parts.Add(text[start..]);
        return parts;
    }

    static List<string> SplitFromRight(string text, string separator, int limit)
    {
        var parts = new List<string>();
        int end = text.Length;
        while ((limit < 0 || parts.Count < limit) && text.AsSpan(0, end).LastIndexOf(separator) is >= 0 and int found)
        {
            parts.Add(text[(found + separator.Length)..end]);
            end = found;
        }
        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    /// <summary>Words between white space; after <paramref name="limit"/> of them the rest stays in one
    /// piece.</summary>
    public static List<string> SplitWords(string text, int limit)
    {
        var words = new List<string>();
        for (int i = 0; ;)
        {
            while (i < text.Length && PyChar.IsSpace(text[i])) i++;
            if (i == text.Length) return words;
            if (limit >= 0 && words.Count >= limit)
            {
                words.Add(text[i..]);
                return words;
            }
            int start = i;
            while (i < text.Length && !PyChar.IsSpace(text[i])) i++;
            words.Add(text[start..i]);
        }
    }

    static List<string> SplitWordsFromRight(string text, int limit)
    {
        var words = new List<string>();
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PyChar.IsSpace(text[end - 1])) end--;
            if (end == 0) break;
            if (limit >= 0 && words.Count >= limit)
            {
                words.Add(text[..end]);
                break;
            }
            int start = end;
            while (start > 0 && !PyChar.IsSpace(text[start - 1])) start--;
            words.Add(text[start..end]);
            end = start;
        }
        words.Reverse();
        return words;
    }

    static PyList SplitLines(string text, Arguments arguments, RenderState state) =>
        Texts([.. SplitLines(text, OrFalse(arguments.Bind("splitlines", 0, "keepends")[0]))]);

    public static IEnumerable<string> SplitLines(string text, bool keepEnds)
    {
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !IsLineEnd(text[end])) end++;
            int next = end < text.Length
                ? end + (text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? 2 : 1) : end;
            yield return text[start..(keepEnds ? next : end)];
            start = next;
        }

        static bool IsLineEnd(char c) =>
            c is '\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029';
    }

    static PyTuple Partition(string text, Arguments arguments, bool fromRight)
    {
        string separator = RequireText(arguments.Bind(fromRight ? "rpartition" : "partition", 1, "/sep")[0],
            "partition()");
        if (separator.Length == 0) throw Error.Value("empty separator");
        int index = fromRight ? text.AsSpan().LastIndexOf(separator)
            : text.IndexOf(separator, StringComparison.Ordinal);
        if (index < 0) return new PyTuple(fromRight ? ["", "", text] : [text, "", ""]);
        return new PyTuple([text[..index], separator, text[(index + separator.Length)..]]);
    }

    static string Join(string text, Arguments arguments, RenderState state)
    {
        object? items = arguments.Bind("join", 1, "/iterable")[0];
        if (!Iteration.IsIterable(items)) throw Error.Type("can only join an iterable");
        var result = new StringBuilder();
        int index = 0;
        foreach (object? item in Iteration.Enumerate(state, items))
        {
            if (index > 0) result.Append(text);
            result.Append(PyText.Of(item)
                ?? throw Error.Type($"sequence item {index}: expected str instance, {PyType.NameOf(item)} found"));
            if (result.Length > RenderLimits.MaxStringUnits) state.Budget.AllocateString(result.Length);
            index++;
        }
        return result.ToString();
    }

    static string Translate(string text, Arguments arguments, RenderState state)
    {
        object? table = arguments.Bind("translate", 1, "/table")[0];
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i += PyString.UnitsAt(text, i))
        {
            int code = PyString.CodePointValueAt(text, i);
            object? mapped = table is PyObject own ? own.GetItem(Boxed.Int(code))
                : throw Error.Type($"'{PyType.NameOf(table)}' object is not subscriptable");
            if (IsMissing(mapped)) PyString.AppendCodePoint(result, code);
            else if (PyText.Of(mapped) is { } replacement) result.Append(replacement);
            else if (mapped is not null) PyString.AppendCodePoint(result, PyNumber.RequireIndex(mapped));
        }
        return result.ToString();
    }

    static PyDict MakeTrans(string text, Arguments arguments, RenderState state)
    {
        object?[] bound = arguments.Bind("maketrans", 1, "/x", "/y", "/z");
        var table = new PyDict();
        if (IsMissing(bound[1]))
        {
            if (bound[0] is not PyDict dict) throw Error.Type("if you give only one argument to maketrans it must be a dict");
            foreach ((object? key, object? value) in dict.Entries)
                table.Set(PyText.Of(key) is { } character ? Boxed.Int(SingleCodePoint(character)) : key, value);
            return table;
        }
        string[] from = [.. PyString.CodePoints(RequireText(bound[0], "maketrans()"))];
        string[] to = [.. PyString.CodePoints(RequireText(bound[1], "maketrans()"))];
        if (from.Length != to.Length) throw Error.Value("the first two maketrans arguments must have equal length");
        for (int i = 0; i < from.Length; i++) table.Set(Boxed.Int(SingleCodePoint(from[i])),
            Boxed.Int(SingleCodePoint(to[i])));
        if (!IsMissing(bound[2]))
            foreach (string removed in PyString.CodePoints(RequireText(bound[2], "maketrans()")))
                table.Set(Boxed.Int(SingleCodePoint(removed)), null);
        return table;
    }

    static int SingleCodePoint(string text) => PyString.Length(text) == 1
        ? PyString.CodePointValueAt(text, 0)
        : throw Error.Value("string keys in translate table must be of length 1");

    static PyBytes Encode(string text, Arguments arguments, RenderState state)
    {
        object?[] bound = arguments.Bind("encode", 0, "encoding", "errors");
        string name = IsMissing(bound[0]) ? "utf-8" : RequireText(bound[0], "encode()");
        string errors = IsMissing(bound[1]) ? "strict" : RequireText(bound[1], "encode()");
        return new PyBytes(TextCodec.Encode(text, name, errors));
    }

    static string FormatMap(string text, Arguments arguments, RenderState state)
    {
        object? mapping = arguments.Bind("format_map", 1, "/mapping")[0];
        return new BraceFormat(state, Arguments.None, mapping).Format(text);
    }
}
