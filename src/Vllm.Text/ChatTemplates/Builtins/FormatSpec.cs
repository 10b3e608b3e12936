using System.Globalization;
using System.Numerics;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary>Python's format specifications:
/// <c>[[fill]align][sign][z][#][0][width][grouping][.precision][type]</c>.</summary>
sealed class FormatSpec
{
    /// <summary>Digits after the point beyond which no float has any that are not zero; more would only cost
    /// time.</summary>
    const int MaxPrecision = 1100;

    string _fill = " ";
    char _align;
    char _sign = '-';
    bool _alternate;
    bool _noNegativeZero;
    int _width;
    char _grouping;
    int _precision = -1;
    char _type;

    public static string Format(object? value, string spec, RenderState state)
    {
        if (spec.Length == 0) return PyRepr.Str(value, state.Budget);
        switch (value)
        {
            case string or Markup: return Parse(spec).FormatText(PyText.Of(value)!, state);
            case bool or long or BigInteger: return Parse(spec).FormatInt(value, state);
            case double d: return Parse(spec).FormatFloat(d, 'g', state);
            default: throw Error.Type($"unsupported format string passed to {PyType.NameOf(value)}.__format__");
        }
    }

    static FormatSpec Parse(string text)
    {
        var spec = new FormatSpec();
        int i = 0;
        bool hasFill = false;
        int fillUnits = PyString.UnitsAt(text, 0);
        if (text.Length > fillUnits && IsAlign(text[fillUnits]))
        {
            spec._fill = text[..fillUnits];
            spec._align = text[fillUnits];
            i = fillUnits + 1;
            hasFill = true;
        }
        else if (IsAlign(text[0])) spec._align = text[i++];
        if (i < text.Length && text[i] is '+' or '-' or ' ') spec._sign = text[i++];
        if (i < text.Length && text[i] == 'z') spec._noNegativeZero = Take();
        if (i < text.Length && text[i] == '#') spec._alternate = Take();
        if (i < text.Length && text[i] == '0')
        {
            if (!hasFill) spec._fill = "0";
            if (spec._align == '\0') spec._align = '=';
            i++;
        }
        spec._width = Number() ?? 0;
        if (i < text.Length && text[i] is ',' or '_') spec._grouping = text[i++];
        if (i < text.Length && text[i] == '.')
        {
            i++;
            spec._precision = Number() ?? throw Error.Value("Format specifier missing precision");
        }
        if (i < text.Length) spec._type = text[i++];
        return i == text.Length ? spec : throw Error.Value("Invalid format specifier");

        bool Take() => i++ >= 0;

        int? Number()
        {
            int start = i;
            while (i < text.Length && char.IsAsciiDigit(text[i])) i++;
            if (i == start) return null;
            return int.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture,
                out int value)
                ? value
                : throw Error.Value("Too many decimal digits in format string");
        }
    }

    static bool IsAlign(char c) => c is '<' or '>' or '^' or '=';

    string FormatText(string text, RenderState state)
    {
        if (_type is not ('\0' or 's')) throw UnknownCode("str");
        if (_sign != '-') throw Error.Value("Sign not allowed in string format specifier");
        if (_alternate) throw Error.Value("Alternate form (#) not allowed in string format specifier");
        if (_align == '=' && _fill != "0") throw Error.Value("'=' alignment not allowed in string format specifier");
        if (_grouping != '\0') throw Error.Value($"Cannot specify '{_grouping}' with 's'.");
        if (_precision >= 0) text = text[..PyString.UnitIndex(text, _precision)];
        // Python 3.10 and later pad texts with zeros on the right for a width that begins with 0
        return Pad("", text, _align is '\0' or '=' ? '<' : _align, state);
    }

    ChatTemplateException UnknownCode(string type) =>
        Error.Value($"Unknown format code '{_type}' for object of type '{type}'");

    string FormatInt(object value, RenderState state)
    {
        if (_type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%') return FormatFloat(PyNumber.ToDouble(value), _type,
            state);
        if (_precision >= 0) throw Error.Value("Precision not allowed in integer format specifier");
        BigInteger number = PyNumber.ToBig(value), magnitude = BigInteger.Abs(number);
        if (_type == 'c') return Pad("", PyString.FromCodePoint((int)magnitude), _align == '\0' ? '<' : _align, state);
        (string prefix, string digits) = _type switch
        {
            '\0' or 'd' or 'n' => ("", PyNumber.ToText(magnitude)),
            'x' => ("0x", Radix(magnitude, 16)),
            'X' => ("0X", Radix(magnitude, 16).ToUpperInvariant()),
            'o' => ("0o", Radix(magnitude, 8)),
            'b' => ("0b", Radix(magnitude, 2)),
            _ => throw UnknownCode("int"),
        };
        if (_grouping == ',' && _type is not ('\0' or 'd')) throw Error.Value($"Cannot specify ',' with '{_type}'.");
        return PadNumber(Sign(number.Sign < 0) + (_alternate ? prefix : ""), digits, "",
            groupSize: _type is 'x' or 'X' or 'o' or 'b' ? 4 : 3, state);
    }

    public static string Radix(BigInteger value, int radix)
    {
        if (value.IsZero) return "0";
        if (radix == 16) return value.ToString("x", CultureInfo.InvariantCulture).TrimStart('0');
        var digits = new System.Text.StringBuilder();
        string binary = value.ToString("b", CultureInfo.InvariantCulture).TrimStart('0');
        if (radix == 2) return binary;
        binary = binary.PadLeft((binary.Length + 2) / 3 * 3, '0');
        for (int i = 0; i < binary.Length; i += 3) digits.Append(Convert.ToInt32(binary.Substring(i, 3), 2));
        return digits.ToString();
    }

    string Sign(bool negative) => negative ? "-" : _sign == '-' ? "" : _sign.ToString();

    string FormatFloat(double value, char ofInt, RenderState state)
    {
        char type = _type == '\0' ? (ofInt == 'g' ? '\0' : ofInt) : _type;
        CheckPrecision(_precision);
        string suffix = type == '%' ? "%" : "";
        if (type == '%') value *= 100;
        string text = FloatFormat.NonFinite(Math.Abs(value)) ?? type switch
        {
            '\0' when _precision < 0 => FloatFormat.Repr(Math.Abs(value)),
            '\0' => WithPoint(FloatFormat.General(value, _precision, keepZeros: false)),
            'f' or 'F' or '%' => FloatFormat.Fixed(value, Precision),
            'e' or 'E' => FloatFormat.Exponential(value, Precision),
            'g' or 'G' or 'n' => FloatFormat.General(value, Precision, keepZeros: _alternate),
            _ => throw UnknownCode("float"),
        };
        if (type is 'E' or 'F' or 'G') text = text.ToUpperInvariant();
        int end = text.AsSpan().IndexOfAnyExcept("0123456789") is >= 0 and int found ? found : text.Length;
        bool negative = double.IsNegative(value) && !double.IsNaN(value);
        if (_noNegativeZero && text.All(c => c is '0' or '.')) negative = false;
        return PadNumber(Sign(negative), text[..end], text[end..] + suffix, 3, state);
    }

    public static void CheckPrecision(int? precision)
    {
        if (precision > MaxPrecision) throw Error.Limit($"a precision of more than {MaxPrecision} is not supported");
    }

    int Precision => _precision < 0 ? 6 : _precision;

    // Without a type, a float keeps one digit after the point.
    static string WithPoint(string text) => text.All(char.IsAsciiDigit) ? text + ".0" : text;

    string PadNumber(string prefix, string digits, string rest, int groupSize, RenderState state)
    {
        if (_grouping != '\0')
        {
            if (_align == '='
                && _fill == "0")
                digits = ZeroFillGroups(digits, prefix.Length + rest.Length, groupSize, state);
            digits = Group(digits, groupSize);
        }
        return Pad(prefix, digits + rest, _align == '\0' ? '>' : _align, state);
    }

    /// <summary>Zeros count as digits: they get separators too.</summary>
    string ZeroFillGroups(string digits, int otherLength, int groupSize, RenderState state)
    {
        state.Budget.AllocateString(_width);
        while (digits.Length + (digits.Length - 1) / groupSize + otherLength < _width) digits = "0" + digits;
        return digits;
    }

    string Group(string digits, int size)
    {
        var result = new System.Text.StringBuilder();
        for (int i = 0; i < digits.Length; i++)
        {
            if (i > 0 && (digits.Length - i) % size == 0) result.Append(_grouping);
            result.Append(digits[i]);
        }
        return result.ToString();
    }

    string Pad(string prefix, string text, char align, RenderState state)
    {
        long missing = _width - (long)prefix.Length - PyString.Length(text);
        if (missing <= 0) return prefix + text;
        state.Budget.AllocateString(missing * _fill.Length);
        long left = align switch { '<' => 0, '^' => missing / 2, _ => missing };
        return align == '='
            ? prefix + Repeated(missing) + text
            : Repeated(left) + prefix + text + Repeated(missing - left);
    }

    string Repeated(long count) =>
        count == 0 ? "" : new System.Text.StringBuilder().Insert(0, _fill, (int)count).ToString();
}
