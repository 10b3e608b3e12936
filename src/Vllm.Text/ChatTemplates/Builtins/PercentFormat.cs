using System.Globalization;
using System.Numerics;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary><c>format % values</c>, as in C's printf.</summary>
sealed class PercentFormat
{
    readonly string _format;
    readonly RenderState _state;
    readonly bool _escape;
    readonly object?[] _values;
    readonly PyDict? _mapping;
    readonly bool _checksCount;
    int _position;
    int _nextValue;

    PercentFormat(string format, object? operand, RenderState state, bool escape)
    {
        _format = format;
        _state = state;
        _escape = escape;
        _values = operand is PyTuple tuple ? tuple.Values : [operand];
        _mapping = operand as PyDict;
        // What can be indexed counts as a mapping, whose entries need not all be used.
        _checksCount = operand is PyTuple or string or Markup
            || operand is not (PyDict or PyList or PyRange or PyBytes or Undefined);
    }

    /// <param name="format">The format.</param>
    /// <param name="operand">A tuple of values, a mapping for <c>%(name)s</c>, or a single value.</param>
    /// <param name="state">For limits.</param>
    /// <param name="escape">Whether inserted texts are escaped: the format is Markup.</param>
    public static string Format(string format, object? operand, RenderState state, bool escape = false) =>
        new PercentFormat(format, operand, state, escape).Run();

    string Run()
    {
        var result = new StringBuilder(_format.Length);
        while (_position < _format.Length)
        {
            char c = _format[_position++];
            if (c == '%') result.Append(Directive());
            else result.Append(c);
            if (result.Length > RenderLimits.MaxStringUnits) _state.Budget.AllocateString(result.Length);
        }
        if (_checksCount && _nextValue < _values.Length)
            throw Error.Type("not all arguments converted during string formatting");
        return result.ToString();
    }

    string Directive()
    {
        object? keyed = Missing.Value;
        if (Peek() == '(') keyed = Keyed();
        bool left = false, plus = false, space = false, alternate = false, zero = false;
        for (; ; _position++)
        {
            switch (Peek())
            {
                case '-': left = true; continue;
                case '+': plus = true; continue;
                case ' ': space = true; continue;
                case '#': alternate = true; continue;
                case '0': zero = true; continue;
            }
            break;
        }
        int width = NumberOrStar() ?? 0;
        if (width < 0) (left, width) = (true, -width);
        int? precision = null;
        if (Peek() == '.')
        {
            _position++;
            precision = Math.Max(NumberOrStar() ?? 0, 0);
        }
        while (Peek() is 'h' or 'l' or 'L') _position++;
        if (_position >= _format.Length) throw Error.Value("incomplete format");
        char type = _format[_position++];
        if (type == '%') return "%";
        object? value = ReferenceEquals(keyed, Missing.Value) ? NextValue() : keyed;
        (string sign, string text, bool isNumber) = Convert(type, value, precision, alternate);
        if (sign.Length == 0 && isNumber) sign = plus ? "+" : space ? " " : "";
        return Pad(sign, text, width, left, zero && isNumber, alternate && type is 'x' or 'X' or 'o' ? 2 : 0);
    }

    char Peek() => _position < _format.Length ? _format[_position] : '\0';

    object? Keyed()
    {
        int depth = 1, start = ++_position;
        for (; _position < _format.Length && depth > 0; _position++)
            depth += _format[_position] switch { '(' => 1, ')' => -1, _ => 0 };
        if (depth > 0) throw Error.Value("incomplete format key");
        string key = _format[start..(_position - 1)];
        if (_mapping is null) throw Error.Type("format requires a mapping");
        return _mapping.TryGet(key, out object? value) ? value : throw Error.Key(PyRepr.Repr(key));
    }

    int? NumberOrStar()
    {
        if (Peek() == '*')
        {
            _position++;
            return NextValue() is { } star && PyNumber.IsInt(star)
                ? PyNumber.AsIndex(star)
                : throw Error.Type("* wants int");
        }
        int start = _position;
        while (char.IsAsciiDigit(Peek())) _position++;
        if (start == _position) return null;
        return int.TryParse(_format.AsSpan(start, _position - start), NumberStyles.None, CultureInfo.InvariantCulture,
            out int number)
            ? number
            : throw Error.Value("width too big");
    }

    object? NextValue() => _nextValue < _values.Length
        ? _values[_nextValue++]
        : throw Error.Type("not enough arguments for format string");

    (string Sign, string Text, bool IsNumber) Convert(char type, object? value, int? precision, bool alternate)
    {
        switch (type)
        {
            case 's': return ("", Cut(Escaped(value, PyRepr.Str(value, _state.Budget)), precision), false);
            case 'r': return ("", Cut(Escaped(null, PyRepr.Repr(value, _state.Budget)), precision), false);
            case 'a': return ("", Cut(Escaped(null, AsciiRepr(value, _state)), precision), false);
            case 'c': return ("", Character(value), false);
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o': return Integer(type, value, precision, alternate);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G': return Float(type, value, precision ?? 6, alternate);
            default:
                throw Error.Value($"unsupported format character '{type}' (0x{(int)type:x}) at index {_position - 1}");
        }
    }

    string Escaped(object? value, string text) => _escape && value is not Markup ? Markup.EscapeText(text) : text;

    static string Cut(string text, int? precision) =>
        precision is { } length ? text[..PyString.UnitIndex(text, length)] : text;

    static string Character(object? value)
    {
        if (PyText.Of(value) is { } text && PyString.Length(text) == 1) return text;
        if (!PyNumber.IsInt(value)) throw Error.Type("%c requires int or char");
        int code = PyNumber.RequireIndex(value);
        return code is >= 0 and <= 0x10FFFF ? PyString.FromCodePoint(code)
            : throw Error.Overflow("%c arg not in range(0x110000)");
    }

    static (string, string, bool) Integer(char type, object? value, int? precision, bool alternate)
    {
        if (value is Undefined undefined) throw undefined.Fail();
        if (value is double d && type is 'd' or 'i' or 'u')
            value = double.IsFinite(d)
                ? PyNumber.Normalize(new BigInteger(d))
                : throw Error.Overflow($"cannot convert float {FloatFormat.Repr(d)} to integer");
        if (!PyNumber.IsInt(value))
            throw Error.Type(type is 'd' or 'i' or 'u'
                ? $"%{type} format: a real number is required, not {PyType.NameOf(value)}"
                : $"%{type} format: an integer is required, not {PyType.NameOf(value)}");
        BigInteger number = PyNumber.ToBig(value!), magnitude = BigInteger.Abs(number);
        string digits = type switch
        {
            'x' => FormatSpec.Radix(magnitude, 16),
            'X' => FormatSpec.Radix(magnitude, 16).ToUpperInvariant(),
            'o' => FormatSpec.Radix(magnitude, 8),
            _ => PyNumber.ToText(magnitude),
        };
        FormatSpec.CheckPrecision(precision);
        digits = digits.PadLeft(precision ?? 0, '0');
        if (alternate && type is 'x' or 'X' or 'o') digits = $"0{type}{digits}";
        return (number.Sign < 0 ? "-" : "", digits, true);
    }

    static (string, string, bool) Float(char type, object? value, int precision, bool alternate)
    {
        if (value is Undefined undefined) throw undefined.Fail();
        if (!PyNumber.IsNumber(value)) throw Error.Type($"must be real number, not {PyType.NameOf(value)}");
        FormatSpec.CheckPrecision(precision);
        double number = PyNumber.ToDouble(value!);
        string text = FloatFormat.NonFinite(Math.Abs(number)) ?? (type | 0x20) switch
        {
            'f' => FloatFormat.Fixed(number, precision),
            'e' => FloatFormat.Exponential(number, precision),
            _ => FloatFormat.General(number, precision, keepZeros: alternate),
        };
        if (char.IsAsciiLetterUpper(type)) text = text.ToUpperInvariant();
        return (double.IsNegative(number) && !double.IsNaN(number) ? "-" : "", text, true);
    }

    /// <param name="sign">Stands before zeros.</param>
    /// <param name="text">Digits or text.</param>
    /// <param name="width">At least so many characters.</param>
    /// <param name="left">Blanks go behind.</param>
    /// <param name="zero">Zeros instead of blanks.</param>
    /// <param name="prefixLength">Of a 0x: stands before zeros too.</param>
    string Pad(string sign, string text, int width, bool left, bool zero, int prefixLength)
    {
        long missing = width - (long)sign.Length - PyString.Length(text);
        if (missing <= 0) return sign + text;
        _state.Budget.AllocateString(missing);
        if (left) return sign + text + new string(' ', (int)missing);
        return zero
            ? sign + text[..prefixLength] + new string('0', (int)missing) + text[prefixLength..]
            : new string(' ', (int)missing) + sign + text;
    }

    public static string AsciiRepr(object? value, RenderState state)
    {
        string repr = PyRepr.Repr(value, state.Budget);
        if (Ascii.IsValid(repr)) return repr;
        var result = new StringBuilder(repr.Length);
        for (int i = 0; i < repr.Length; i += PyString.UnitsAt(repr, i))
        {
            int code = PyString.CodePointValueAt(repr, i);
            result.Append(code switch
            {
                < 0x80 => ((char)code).ToString(),
                < 0x100 => $"\\x{code:x2}",
                < 0x10000 => $"\\u{code:x4}",
                _ => $"\\U{code:x8}",
            });
        }
        return result.ToString();
    }
}
