using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary><c>str.format</c> and <c>str.format_map</c>: fields with attributes and items, looked up as the sandbox
/// does.</summary>
sealed class BraceFormat(RenderState state, Arguments arguments, object? mapping = null, bool escape = false)
{
    /// <summary>Python's limit for fields inside of specifications.</summary>
    const int MaxDepth = 2;

    int _nextIndex; // -1 once a field has an explicit number

    public string Format(string format) => Format(format, depth: 0);

    string Format(string format, int depth)
    {
        if (depth > MaxDepth) throw Error.Value("Max string recursion exceeded");
        var result = new StringBuilder(format.Length);
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is not ('{' or '}')) result.Append(c);
            else if (i + 1 < format.Length && format[i + 1] == c)
            {
                result.Append(c);
                i++;
            }
            else if (c == '}') throw Error.Value("Single '}' encountered in format string");
            else
            {
                int end = FieldEnd(format, i + 1);
                result.Append(FormatField(format[(i + 1)..end], depth));
                i = end;
            }
            if (result.Length > RenderLimits.MaxStringUnits) state.Budget.AllocateString(result.Length);
        }
        return result.ToString();
    }

    static int FieldEnd(string format, int start)
    {
        int depth = 1;
        bool inKey = false;
        for (int i = start; i < format.Length; i++)
        {
            if (format[i] == '[' && depth == 1) inKey = true;
            else if (format[i] == ']') inKey = false;
            else if (inKey) continue;
            else if (format[i] == '{') depth++;
            else if (format[i] == '}' && --depth == 0) return i;
        }
        throw Error.Value(start == format.Length ? "Single '{' encountered in format string"
            : "expected '}' before end of string");
    }

    string FormatField(string field, int depth)
    {
        int nameEnd = NameEnd(field);
        string name = field[..nameEnd], spec = "";
        char conversion = '\0';
        int i = nameEnd;
        if (i < field.Length && field[i] == '!')
        {
            if (i + 1 >= field.Length) throw Error.Value("end of string while looking for conversion specifier");
            conversion = field[i + 1];
            i += 2;
            if (i < field.Length && field[i] != ':') throw Error.Value("expected ':' after conversion specifier");
        }
        if (i < field.Length) spec = field[(i + 1)..];
        object? value = Lookup(name);
        value = conversion switch
        {
            '\0' => value,
            's' => PyRepr.Str(value, state.Budget),
            'r' => PyRepr.Repr(value, state.Budget),
            'a' => PercentFormat.AsciiRepr(value, state),
            _ => throw Error.Value($"Unknown conversion specifier {conversion}"),
        };
        spec = Format(spec, depth + 1);
        if (!escape) return FormatSpec.Format(value, spec, state);
        if (value is Markup
            && spec.Length > 0)
            throw Error.Value("Format specifier given, but Markup does not define __html_format__.");
        return value is Markup markup ? markup.Content : Markup.EscapeText(FormatSpec.Format(value, spec, state));
    }

    static int NameEnd(string field)
    {
        bool inKey = false;
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '[') inKey = true;
            else if (field[i] == ']') inKey = false;
            else if (!inKey && field[i] is '!' or ':') return i;
        }
        return field.Length;
    }

    object? Lookup(string name)
    {
        int end = name.AsSpan().IndexOfAny('.', '[') is >= 0 and int found ? found : name.Length;
        object? value = First(name[..end]);
        for (int i = end; i < name.Length;)
        {
            bool isAttribute = name[i] == '.';
            if (!isAttribute
                && name[i] != '[')
                throw Error.Value("Only '.' or '[' may follow ']' in format field specifier");
            int start = i + 1;
            int stop = isAttribute
                ? name.AsSpan(start).IndexOfAny('.', '[') is >= 0 and int next ? start + next : name.Length
                : name.IndexOf(']', start);
            if (stop < 0) throw Error.Value("Missing ']' in format string");
            string key = name[start..stop];
            if (key.Length == 0) throw Error.Value("Empty attribute in format string");
            value = isAttribute ? Access.GetAttribute(value, key)
                : Access.GetItem(value, IsNumber(key) ? NumberText.ParseInt(key, 10) : key);
            i = isAttribute ? stop : stop + 1;
        }
        return value;
    }

    static bool IsNumber(string text) => text.Length > 0 && text.All(char.IsAsciiDigit);

    object? First(string name)
    {
        if (name.Length > 0 && !IsNumber(name))
        {
            if (mapping is PyDict dict && dict.TryGet(name, out object? mapped)) return mapped;
            return arguments.TryGetKeyword(name, out object? value) ? value : throw Error.Key(PyRepr.Repr(name));
        }
        if (mapping is not null) throw Error.Value("Format string contains positional fields");
        if (name.Length == 0 ? _nextIndex < 0 : _nextIndex > 0)
            throw Error.Value(name.Length == 0
                ? "cannot switch from manual field specification to automatic field numbering"
                : "cannot switch from automatic field numbering to manual field specification");
        int index = name.Length == 0 ? _nextIndex++ : PyNumber.RequireIndex(NumberText.ParseInt(name, 10));
        if (name.Length > 0) _nextIndex = -1;
        return index < arguments.Positional.Length
            ? arguments.Positional[index]
            : throw Error.Index($"Replacement index {index} out of range for positional args tuple");
    }
}
