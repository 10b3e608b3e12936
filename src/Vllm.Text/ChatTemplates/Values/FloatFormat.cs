using System.Globalization;
using System.Numerics;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Floats as text: Python's shortest repr, and exact fixed and scientific forms rounded half to
/// even.</summary>
static class FloatFormat
{
    /// <summary>The shortest text that reads back as the same float; scientific from 1e16 up and below 1e-4.</summary>
    public static string Repr(double value)
    {
        if (NonFinite(value) is { } special) return special;
        (string digits, int exponent) = ShortestDigits(value);
        string sign = double.IsNegative(value) ? "-" : "";
        if (exponent is < -4 or >= 16) return sign + Scientific(digits, exponent);
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        if (digits.Length <= exponent + 1) return $"{sign}{digits.PadRight(exponent + 1, '0')}.0";
        return $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    public static string? NonFinite(double value) =>
        double.IsFinite(value) ? null : double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";

    static string Scientific(string digits, int exponent)
    {
        string mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
        return $"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    /// <summary>Significant digits without sign, and the power of ten of the first.</summary>
    static (string Digits, int Exponent) ShortestDigits(double value)
    {
        if (value == 0) return ("0", 0);
        string text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int mark = text.IndexOf('E');
        string mantissa = mark < 0 ? text : text[..mark];
        int exponent = mark < 0 ? 0
            : int.Parse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        int point = mantissa.IndexOf('.') is >= 0 and int found ? found : mantissa.Length;
        string all = mantissa.Replace(".", "");
        string digits = all.TrimStart('0');
        exponent += point - 1 - (all.Length - digits.Length);
        digits = digits.TrimEnd('0');
        return (digits, exponent);
    }

    /// <summary>Digits after the point as asked, without sign.</summary>
    public static string Fixed(double value, int precision)
    {
        string digits = RoundScaled(Math.Abs(value), precision).ToString(CultureInfo.InvariantCulture);
        if (precision == 0) return digits;
        digits = digits.PadLeft(precision + 1, '0');
        return $"{digits[..^precision]}.{digits[^precision..]}";
    }

    /// <summary><c>d.ddde+xx</c> with that many digits after the point, without sign.</summary>
    public static string Exponential(double value, int precision)
    {
        (string digits, int exponent) = SignificantDigits(value, precision + 1);
        return precision == 0 ? Scientific(digits[..1], exponent) : Scientific(digits, exponent);
    }

    /// <summary>Python's <c>g</c>: that many significant digits, fixed or scientific, without trailing zeros.</summary>
    public static string General(double value, int precision, bool keepZeros)
    {
        precision = Math.Max(precision, 1);
        (string digits, int exponent) = SignificantDigits(value, precision);
        bool scientific = exponent < -4 || exponent >= precision;
        if (!keepZeros) digits = digits.TrimEnd('0');
        if (digits.Length == 0) digits = "0";
        if (scientific) return Scientific(digits, exponent);
        if (exponent < 0) return $"0.{new string('0', -exponent - 1)}{digits}";
        if (digits.Length <= exponent + 1)
            return digits.PadRight(exponent + 1, '0') + (keepZeros && digits.Length <= exponent + 1 ? "." : "");
        return $"{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    static (string Digits, int Exponent) SignificantDigits(double value, int count)
    {
        value = Math.Abs(value);
        if (value == 0) return (new string('0', count), 0);
        (_, int exponent) = ShortestDigits(value);
        string digits = RoundScaled(value, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        if (digits.Length > count) return (digits[..count], exponent + 1);
        return digits.Length < count
            ? (RoundScaled(value, count - exponent).ToString(CultureInfo.InvariantCulture), exponent - 1)
            : (digits, exponent);
    }

    /// <summary>Python's <c>round(value, digits)</c>: the decimal nearest to the exact value, ties to even.</summary>
    public static double Round(double value, int digits)
    {
        if (!double.IsFinite(value) || digits > 323) return value;
        if (digits < -308) return Math.CopySign(0, value);
        BigInteger scaled = RoundScaled(Math.Abs(value), digits);
        string text = $"{scaled.ToString(CultureInfo.InvariantCulture)}e{-digits}";
        double result = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return double.IsInfinity(result)
            ? throw Error.Overflow("rounded value too large to represent")
            : Math.CopySign(result, value);
    }

    /// <summary><c>value · 10^digits</c> to the nearest integer, ties to even, from the exact value of the
    /// float.</summary>
    public static BigInteger RoundScaled(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)(bits >> 52 & 0x7FF);
        BigInteger numerator = exponent == 0 ? bits & 0xFFFFFFFFFFFFF : bits & 0xFFFFFFFFFFFFF | 1L << 52;
        exponent = Math.Max(exponent, 1) - 1075;
        BigInteger denominator = 1;
        if (digits >= 0) numerator *= BigInteger.Pow(10, digits);
        else denominator *= BigInteger.Pow(10, -digits);
        if (exponent >= 0) numerator <<= exponent;
        else denominator <<= -exponent;
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        int half = (rest * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
