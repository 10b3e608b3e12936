using System.Globalization;
using System.Text;

namespace Vllm.Text.ChatTemplates.Builtins;

/// <summary><c>strftime</c> of a local time without zone, in the C locale, with glibc's flags (<c>%-d</c>).</summary>
static class TimeFormat
{
    static readonly string[] Days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    static readonly string[] Months =
    [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ];

    public static string Format(DateTime time, string format)
    {
        var result = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i == format.Length - 1)
            {
                result.Append(format[i]);
                continue;
            }
            int start = i++;
            char flag = '\0';
            while (i < format.Length && format[i] is '-' or '_' or '0' or '^' or '#') flag = format[i++];
            int width = 0;
            while (i < format.Length
                && char.IsAsciiDigit(format[i]))
                width = Math.Min(width * 10 + format[i++] - '0', 1024);
            while (i < format.Length && format[i] is 'E' or 'O') i++;
            string? text = i < format.Length ? Field(time, format[i], flag, width) : null;
            result.Append(text ?? format[start..Math.Min(i + 1, format.Length)]);
        }
        return result.ToString();
    }

    /// <summary>The text of a directive, or <c>null</c> when there is no such.</summary>
    static string? Field(DateTime time, char directive, char flag, int width) => directive switch
    {
        'a' => Word(Days[(int)time.DayOfWeek][..3], flag, width),
        'A' => Word(Days[(int)time.DayOfWeek], flag, width),
        'b' or 'h' => Word(Months[time.Month - 1][..3], flag, width),
        'B' => Word(Months[time.Month - 1], flag, width),
        'p' => flag == '#' ? (time.Hour < 12 ? "am" : "pm") : Word(time.Hour < 12 ? "AM" : "PM", flag, width),
        'P' => Word(time.Hour < 12 ? "am" : "pm", flag, width),
        'c' => Word(Format(time, "%a %b %e %H:%M:%S %Y"), flag, width),
        'x' or 'D' => Word(Format(time, "%m/%d/%y"), flag, width),
        'X' or 'T' => Word(Format(time, "%H:%M:%S"), flag, width),
        'r' => Word(Format(time, "%I:%M:%S %p"), flag, width),
        'R' => Word(Format(time, "%H:%M"), flag, width),
        'F' => Word(Format(time, "%Y-%m-%d"), flag, width),
        'd' => Number(time.Day, 2, '0', flag, width),
        'e' => Number(time.Day, 2, ' ', flag, width),
        'm' => Number(time.Month, 2, '0', flag, width),
        'y' => Number(time.Year % 100, 2, '0', flag, width),
        'Y' => Number(time.Year, 1, '0', flag, width),
        'C' => Number(time.Year / 100, 2, '0', flag, width),
        'H' => Number(time.Hour, 2, '0', flag, width),
        'k' => Number(time.Hour, 2, ' ', flag, width),
        'I' => Number((time.Hour + 11) % 12 + 1, 2, '0', flag, width),
        'l' => Number((time.Hour + 11) % 12 + 1, 2, ' ', flag, width),
        'M' => Number(time.Minute, 2, '0', flag, width),
        'S' => Number(time.Second, 2, '0', flag, width),
        'f' => Number(time.Ticks / 10 % 1_000_000, 6, '0', flag, width),
        'j' => Number(time.DayOfYear, 3, '0', flag, width),
        'w' => Number((int)time.DayOfWeek, 1, '0', flag, width),
        'u' => Number(((int)time.DayOfWeek + 6) % 7 + 1, 1, '0', flag, width),
        'U' => Number((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2, '0', flag, width),
        'W' => Number((time.DayOfYear + 6 - ((int)time.DayOfWeek + 6) % 7) / 7, 2, '0', flag, width),
        'V' => Number(ISOWeek.GetWeekOfYear(time), 2, '0', flag, width),
        'G' => Number(ISOWeek.GetYear(time), 1, '0', flag, width),
        'g' => Number(ISOWeek.GetYear(time) % 100, 2, '0', flag, width),
        's' => Number(new DateTimeOffset(time, TimeSpan.Zero).ToUnixTimeSeconds(), 1, '0', flag, width),
        'z' or 'Z' => "",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => null,
    };

    static string Word(string text, char flag, int width) =>
        (flag is '^' or '#' ? text.ToUpperInvariant() : text).PadLeft(width, flag == '0' ? '0' : ' ');

    static string Number(long value, int digits, char fill, char flag, int width)
    {
        fill = flag switch { '_' => ' ', '0' => '0', _ => fill };
        return value.ToString(CultureInfo.InvariantCulture).PadLeft(flag == '-' ? 0 : Math.Max(digits, width), fill);
    }
}
