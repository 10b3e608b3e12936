using System.Globalization;
using System.Numerics;
using System.Text;
using Vllm.Text.ChatTemplates.Runtime;
using Vllm.Text.ChatTemplates.Values;
using static Vllm.Text.ChatTemplates.Builtins.ArgumentValues;

namespace Vllm.Text.ChatTemplates.Builtins;

static class NumberFilters
{
    public static object? Abs(RenderState state, object? value, Arguments arguments)
    {
        arguments.RequireNone("abs");
        return PyNumber.IsNumber(value)
            ? PyNumber.Absolute(value!)
            : throw Error.Type($"bad operand type for abs(): '{PyType.NameOf(value)}'");
    }

    public static object? Int(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_int", 0, "default", "base");
        int radix = OrInt(bound[1], 10);
        if (value is Undefined undefined) throw undefined.Fail();
        if (PyText.Of(value) is { } text)
        {
            if (NumberText.ParseInt(text, radix) is { } parsed) return parsed;
        }
        else if (PyNumber.IsInt(value)) return PyNumber.Normalize(PyNumber.ToBig(value!));
        else if (value is double number && !double.IsNaN(number)) return Truncate(number) ?? throw NotFinite(number);
        // the quirk that makes "42.23"|int give 42
        return PyText.Of(value) is { } decimalText && NumberText.ParseFloat(decimalText) is { } d
            && Truncate(d) is { } truncated
            ? truncated
            : IsMissing(bound[0]) ? Boxed.Int(0) : bound[0];
    }

    // Python: OverflowError for an infinity, which the filter lets through, and ValueError for nan, which it does not.
    static ChatTemplateException NotFinite(double value) =>
        Error.Overflow($"cannot convert float {FloatFormat.Repr(value)} to integer");

    static object? Truncate(double value) =>
        double.IsFinite(value) ? PyNumber.Normalize(new BigInteger(value)) : null;

    public static object? Float(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_float", 0, "default");
        if (value is Undefined undefined) throw undefined.Fail();
        if (PyNumber.IsNumber(value)) return PyNumber.ToDouble(value!);
        return PyText.Of(value) is { } text && NumberText.ParseFloat(text) is { } parsed
            ? parsed
            : IsMissing(bound[0]) ? 0.0 : bound[0];
    }

    public static object? Round(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_round", 0, "precision", "method");
        string? method = IsMissing(bound[1]) ? "common" : PyText.Of(bound[1]);
        if (method is not ("common" or "ceil" or "floor")) throw Error.Runtime("method must be common, ceil or floor");
        if (!PyNumber.IsNumber(value))
            throw Error.Type(method == "common"
                ? $"type {PyType.NameOf(value)} doesn't define __round__ method"
                : $"must be real number, not {PyType.NameOf(value)}");
        if (method == "common") return RoundHalfEven(value!, bound[0]);
        object power = PyNumber.Power(10L, IsMissing(bound[0]) ? 0L : bound[0]!);
        double scaled = PyNumber.ToDouble(PyNumber.Multiply(value!, power));
        double rounded = method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled);
        return PyNumber.Divide(Truncate(rounded) ?? throw NotFinite(rounded), power);
    }

    static object RoundHalfEven(object value, object? precision)
    {
        if (precision is null && value is double whole)
            return Truncate(FloatFormat.Round(whole, 0)) ?? throw NotFinite(whole);
        int digits = precision is null ? 0 : OrInt(precision, 0);
        if (value is double d) return FloatFormat.Round(d, digits);
        BigInteger integer = PyNumber.ToBig(value);
        if (digits >= 0) return PyNumber.Normalize(integer);
        if (digits < -PyNumber.MaxPrintedDigits) return Boxed.Int(0);
        BigInteger unit = BigInteger.Pow(10, -digits);
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(integer), unit, out BigInteger rest);
        int half = (rest * 2).CompareTo(unit);
        if (half > 0 || (half == 0 && !quotient.IsEven)) quotient++;
        return PyNumber.Normalize(quotient * unit * integer.Sign);
    }

    public static object? FileSizeFormat(RenderState state, object? value, Arguments arguments)
    {
        object?[] bound = arguments.Bind("do_filesizeformat", 0, "binary");
        bool binary = OrFalse(bound[0]);
        if (value is Undefined undefined) throw undefined.Fail();
        double size = PyNumber.IsNumber(value) ? PyNumber.ToDouble(value!)
            : PyText.Of(value) is not { } text
                ? throw Error.Type($"float() argument must be a string or a real number, not '{PyType.NameOf(value)}'")
            : NumberText.ParseFloat(text)
                ?? throw Error.Value($"could not convert string to float: {PyRepr.Repr(text)}");
        double unit = binary ? 1024 : 1000;
        if (size == 1) return "1 Byte";
        if (size < unit) return $"{PyRepr.Str(Truncate(size) ?? throw NotFinite(size))} Bytes";
        const string prefixes = "kMGTPEZY";
        int index = 0;
        double scale = unit;
        while (index < prefixes.Length - 1 && size >= scale * unit)
        {
            scale *= unit;
            index++;
        }
        string prefix = binary ? $"{char.ToUpperInvariant(prefixes[index])}iB" : $"{prefixes[index]}B";
        double shown = unit * size / (scale * unit);
        return $"{FloatFormat.NonFinite(shown) ?? FloatFormat.Fixed(shown, 1)} {prefix}";
    }
}

/// <summary>Python's <c>int(text)</c> and <c>float(text)</c>.</summary>
static class NumberText
{
    public static object? ParseInt(string text, int radix)
    {
        string digits = AsciiDigits(Strip(text));
        bool negative = digits.StartsWith('-');
        if (negative || digits.StartsWith('+')) digits = digits[1..];
        int prefixRadix = digits is not ['0', var mark, ..]
            ? 0
            : (mark | 0x20) switch { 'b' => 2, 'o' => 8, 'x' => 16, _ => 0 };
        if (prefixRadix != 0 && (radix == 0 || radix == prefixRadix))
        {
            digits = digits[2..];
            if (digits.StartsWith('_')) digits = digits[1..];
            radix = prefixRadix;
        }
        else if (radix == 0)
        {
            if (digits.Length > 1 && digits[0] == '0' && digits.Any(c => c is not ('0' or '_'))) return null;
            radix = 10;
        }
        if (radix is < 2 or > 36 || !RemoveUnderscores(ref digits)
            || digits.Length > PyNumber.MaxPrintedDigits)
            return null;
        BigInteger value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? (c | 0x20) - 'a' + 10 : 36;
            if (digit >= radix) return null;
            value = value * radix + digit;
        }
        return PyNumber.Normalize(negative ? -value : value);
    }

    public static double? ParseFloat(string text)
    {
        string digits = AsciiDigits(Strip(text));
        string unsigned = digits.Length > 0 && digits[0] is '+' or '-' ? digits[1..] : digits;
        bool negative = digits.StartsWith('-');
        switch (unsigned.ToLowerInvariant())
        {
            case "inf" or "infinity": return negative ? double.NegativeInfinity : double.PositiveInfinity;
            case "nan": return double.NaN;
        }
        if (unsigned.Length == 0 || !(char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.')) return null;
        if (!RemoveUnderscores(ref unsigned)) return null;
        const NumberStyles style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (!double.TryParse(unsigned, style, CultureInfo.InvariantCulture, out double value)) return null;
        return negative ? -value : value;
    }

    static string Strip(string text) => PyChar.TrimStart(PyChar.TrimEnd(text));

    /// <summary>Decimal digits of any script as ASCII.</summary>
    static string AsciiDigits(string text) => Ascii.IsValid(text)
        ? text
        : string.Concat(PyString.CodePoints(text).Select(point =>
            CharUnicodeInfo.GetDecimalDigitValue(point, 0) is >= 0 and var digit ? $"{digit}" : point));

    /// <summary>Underscores may stand between digits only.</summary>
    static bool RemoveUnderscores(ref string text)
    {
        if (text.Length == 0) return false;
        for (int i = 0; i < text.Length; i++)
            if (text[i] == '_' &&
                (i == 0 || i == text.Length - 1 || !char.IsAsciiLetterOrDigit(text[i - 1])
                    || !char.IsAsciiLetterOrDigit(text[i + 1])))
                return false;
        text = text.Replace("_", "");
        return true;
    }
}
