using System.Globalization;
using System.Numerics;

namespace Vllm.Text.ChatTemplates.Values;

/// <summary>Numbers as Python has them: bool is an int, ints have no limit, int and float mix.</summary>
static class PyNumber
{
    public static bool IsNumber(object? value) => value is long or double or bool or BigInteger;

    public static bool IsInt(object? value) => value is long or bool or BigInteger;

    /// <summary>Ints within the range of <see cref="long"/> are always <see cref="long"/>.</summary>
    public static object Normalize(BigInteger value)
    {
        if (value >= long.MinValue && value <= long.MaxValue) return Boxed.Int((long)value);
        if (value.GetBitLength() > RenderLimits.MaxIntegerBits)
            throw Error.Limit($"the template computes an integer of more than {RenderLimits.MaxIntegerBits} bits");
        return value;
    }

    public static BigInteger ToBig(object value) => value switch
    {
        long i => i,
        bool b => b ? 1 : 0,
        BigInteger big => big,
        _ => throw Error.Type($"'{PyType.NameOf(value)}' object cannot be interpreted as an integer"),
    };

    /// <summary>An int that is used as an index or a count; beyond the range of <see cref="int"/> the nearest of
    /// it.</summary>
    public static int? AsIndex(object? value) => value switch
    {
        long i => (int)Math.Clamp(i, int.MinValue, int.MaxValue),
        bool b => b ? 1 : 0,
        BigInteger big => big.Sign < 0 ? int.MinValue : int.MaxValue,
        _ => null,
    };

    public static int RequireIndex(object? value) => AsIndex(value)
        ?? throw Error.Type($"'{PyType.NameOf(value)}' object cannot be interpreted as an integer");

    public static double ToDouble(object value) => value switch
    {
        double d => d,
        long i => i,
        bool b => b ? 1 : 0,
        BigInteger big => ToDouble(big, 1),
        _ => throw Error.Type($"must be real number, not {PyType.NameOf(value)}"),
    };

    /// <summary>The double nearest to a quotient.</summary>
    static double ToDouble(BigInteger numerator, BigInteger denominator)
    {
        bool negative = numerator.Sign < 0 != denominator.Sign < 0;
        (numerator, denominator) = (BigInteger.Abs(numerator), BigInteger.Abs(denominator));
        if (numerator.IsZero) return negative ? -0.0 : 0.0;
        // 64 or 65 significant bits and a sticky bit for the rest: the conversion to double then rounds once.
        int shift = 64 - (int)(numerator.GetBitLength() - denominator.GetBitLength());
        if (shift > 0) numerator <<= shift;
        else denominator <<= -shift;
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        int extra = (int)quotient.GetBitLength() - 62;
        BigInteger low = quotient & ((BigInteger.One << extra) - 1);
        ulong bits = (ulong)(quotient >> extra) | (low.IsZero && rest.IsZero ? 0UL : 1UL);
        double result = Math.ScaleB((double)bits, extra - shift);
        if (double.IsInfinity(result)) throw Error.Overflow("integer division result too large for a float");
        return negative ? -result : result;
    }

    public static bool AreEqual(object left, object right)
    {
        if (left is double || right is double) return Compare(left, right) == 0;
        if (left is BigInteger || right is BigInteger) return ToBig(left) == ToBig(right);
        return ToLong(left) == ToLong(right);
    }

    static long ToLong(object value) => value is bool b ? (b ? 1 : 0) : (long)value;

    /// <summary>Order of two numbers; <c>null</c> when one is not a number.</summary>
    public static int? Compare(object left, object right)
    {
        if (left is double a && right is double b) return double.IsNaN(a) || double.IsNaN(b) ? null : a.CompareTo(b);
        if (left is double d) return CompareToInt(d, right);
        if (right is double e) return -CompareToInt(e, left);
        return ToBig(left).CompareTo(ToBig(right));
    }

    static int? CompareToInt(double value, object integer)
    {
        if (double.IsNaN(value)) return null;
        if (double.IsInfinity(value)) return value > 0 ? 1 : -1;
        BigInteger big = ToBig(integer);
        int order = new BigInteger(Math.Floor(value)).CompareTo(big);
        return order == 0 && value != Math.Floor(value) ? 1 : order;
    }

    public static object Add(object left, object right)
    {
        if (left is double || right is double) return ToDouble(left) + ToDouble(right);
        if (left is BigInteger || right is BigInteger) return Normalize(ToBig(left) + ToBig(right));
        long a = ToLong(left), b = ToLong(right), sum = unchecked(a + b);
        return ((a ^ sum) & (b ^ sum)) < 0 ? Normalize((BigInteger)a + b) : Boxed.Int(sum);
    }

    public static object Subtract(object left, object right) =>
        left is double || right is double ? ToDouble(left) - ToDouble(right) : Normalize(ToBig(left) - ToBig(right));

    public static object Multiply(object left, object right)
    {
        if (left is double || right is double) return ToDouble(left) * ToDouble(right);
        BigInteger a = ToBig(left), b = ToBig(right);
        if (a.GetBitLength() + b.GetBitLength() > RenderLimits.MaxIntegerBits + 64)
            throw Error.Limit($"the template computes an integer of more than {RenderLimits.MaxIntegerBits} bits");
        return Normalize(a * b);
    }

    public static object Divide(object left, object right)
    {
        if (left is double || right is double)
        {
            double divisor = ToDouble(right);
            return divisor == 0 ? throw Error.ZeroDivision("float division by zero") : ToDouble(left) / divisor;
        }
        BigInteger denominator = ToBig(right);
        if (denominator.IsZero) throw Error.ZeroDivision("division by zero");
        return ToDouble(ToBig(left), denominator);
    }

    public static object FloorDivide(object left, object right)
    {
        if (left is double || right is double) return FloorDivide(ToDouble(left), ToDouble(right)).Quotient;
        BigInteger denominator = ToBig(right);
        if (denominator.IsZero) throw Error.ZeroDivision("integer division or modulo by zero");
        BigInteger quotient = BigInteger.DivRem(ToBig(left), denominator, out BigInteger rest);
        return Normalize(!rest.IsZero && rest.Sign != denominator.Sign ? quotient - 1 : quotient);
    }

    public static object Modulo(object left, object right)
    {
        if (left is double || right is double) return FloorDivide(ToDouble(left), ToDouble(right)).Remainder;
        BigInteger denominator = ToBig(right);
        if (denominator.IsZero) throw Error.ZeroDivision("integer division or modulo by zero");
        BigInteger rest = BigInteger.Remainder(ToBig(left), denominator);
        return Normalize(!rest.IsZero && rest.Sign != denominator.Sign ? rest + denominator : rest);
    }

    static (double Quotient, double Remainder) FloorDivide(double left, double right)
    {
        if (right == 0) throw Error.ZeroDivision("float floor division by zero");
        double rest = left % right;
        double quotient = (left - rest) / right;
        if (rest != 0)
        {
            if ((right < 0) != (rest < 0))
            {
                rest += right;
                quotient -= 1;
            }
        }
        else rest = Math.CopySign(0, right);
        if (quotient == 0) return (Math.CopySign(0, left / right), rest);
        double floor = Math.Floor(quotient);
        return (quotient - floor > 0.5 ? floor + 1 : floor, rest);
    }

    public static object Power(object left, object right)
    {
        if (left is double || right is double || ToBig(right).Sign < 0) return Power(ToDouble(left), ToDouble(right));
        BigInteger basis = ToBig(left), exponent = ToBig(right);
        if (basis.IsOne || basis.IsZero || basis == BigInteger.MinusOne)
            return Normalize(exponent.IsZero ? 1 : basis.IsZero || basis.IsOne || !exponent.IsEven ? basis : 1);
        if (exponent * (basis.GetBitLength() - 1) > RenderLimits.MaxIntegerBits)
            throw Error.Limit($"the template computes an integer of more than {RenderLimits.MaxIntegerBits} bits");
        return Normalize(BigInteger.Pow(basis, (int)exponent));
    }

    static object Power(double left, double right)
    {
        if (left == 0 && right < 0) throw Error.ZeroDivision("0.0 cannot be raised to a negative power");
        if (left < 0 && double.IsFinite(left) && double.IsFinite(right) && right != Math.Floor(right))
            throw Error.Value("complex numbers are not supported");
        double result = Math.Pow(left, right);
        return double.IsInfinity(result) && double.IsFinite(left) && double.IsFinite(right)
            ? throw Error.Overflow("(34, 'Numerical result out of range')")
            : result;
    }

    public static object Negate(object value) =>
        value is double d ? -d : Normalize(-ToBig(value));

    public static object Absolute(object value) =>
        value is double d ? Math.Abs(d) : Normalize(BigInteger.Abs(ToBig(value)));

    /// <summary>Python refuses to print ints of more digits than this.</summary>
    public const int MaxPrintedDigits = 4300;

    public static string ToText(BigInteger value)
    {
        string text = value.ToString(CultureInfo.InvariantCulture);
        return text.Length - (value.Sign < 0 ? 1 : 0) > MaxPrintedDigits
            ? throw Error.Value($"Exceeds the limit ({MaxPrintedDigits} digits) for integer string conversion; " +
                "use sys.set_int_max_str_digits() to increase the limit")
            : text;
    }
}
