using System.Globalization;
using System.Numerics;
using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>Number literals: Python's, with underscores between digits and the prefixes 0b, 0o and 0x.</summary>
static class NumberLiteral
{
    public static bool TryRead(string source, int start, out int end, out object? value)
    {
        end = start;
        value = null;
        if (!char.IsAsciiDigit(source[start])) return false;
        bool afterDot = start > 0 && source[start - 1] == '.';
        if (!afterDot && TryReadFloat(source, start, out end))
        {
            string text = source[start..end].Replace("_", "");
            value = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            return true;
        }
        value = ReadInteger(source, start, out end);
        return true;
    }

    static bool TryReadFloat(string source, int start, out int end)
    {
        end = Digits(source, start, char.IsAsciiDigit, allowLeadingUnderscore: false);
        int fraction = end < source.Length && source[end] == '.'
            ? Digits(source, end + 1, char.IsAsciiDigit, allowLeadingUnderscore: false)
            : -1;
        bool hasFraction = fraction > end + 1;
        int exponentAt = hasFraction ? fraction : end;
        if (exponentAt < source.Length && source[exponentAt] is 'e' or 'E')
        {
            int digits = exponentAt + 1;
            if (digits < source.Length && source[digits] is '+' or '-') digits++;
            int exponentEnd = Digits(source, digits, char.IsAsciiDigit, allowLeadingUnderscore: false);
            if (exponentEnd > digits)
            {
                end = exponentEnd;
                return true;
            }
        }
        if (!hasFraction) return false;
        end = fraction;
        return true;
    }

    /// <summary>Reading digits takes time that grows with the square of their number.</summary>
    const int MaxDigits = 10_000;

    static object ReadInteger(string source, int start, out int end)
    {
        int length = source.AsSpan(start).IndexOfAnyExcept("0123456789abcdefABCDEFxXoO_");
        if (length > MaxDigits || (length < 0 && source.Length - start > MaxDigits))
            throw Error.Limit($"integer literals of more than {MaxDigits} digits are not supported");
        if (source[start] != '0')
        {
            end = Digits(source, start, char.IsAsciiDigit, allowLeadingUnderscore: false);
            return PyNumber.Normalize(BigInteger.Parse(source[start..end].Replace("_", ""),
                CultureInfo.InvariantCulture));
        }
        (int radix, Func<char, bool> isDigit) = (start + 1 < source.Length ? source[start + 1] : ' ') switch
        {
            'b' or 'B' => (2, static c => c is '0' or '1'),
            'o' or 'O' => (8, static c => c is >= '0' and <= '7'),
            'x' or 'X' => (16, char.IsAsciiHexDigit),
            _ => (0, (Func<char, bool>)(static c => c == '0')),
        };
        if (radix != 0)
        {
            end = Digits(source, start + 2, isDigit, allowLeadingUnderscore: true);
            if (end > start + 2)
            {
                BigInteger value = 0;
                foreach (char c in source.AsSpan(start + 2, end - start - 2))
                    if (c != '_')
                        value = value * radix + Convert.ToInt32(c.ToString(), 16);
                return PyNumber.Normalize(value);
            }
        }
        end = Digits(source, start, static c => c == '0', allowLeadingUnderscore: false);
        return 0L;
    }

    /// <summary>The end of digits with single underscores between them; <paramref name="start"/> when there are
    /// none.</summary>
    static int Digits(string source, int start, Func<char, bool> isDigit, bool allowLeadingUnderscore)
    {
        int end = start;
        for (int i = start; i < source.Length; i++)
        {
            if (isDigit(source[i])) end = i + 1;
            else if (source[i] != '_' || (i > start ? end != i : !allowLeadingUnderscore)) break;
        }
        return end;
    }
}
