using System.Globalization;
using System.Text.Json;

namespace Vllm.Cli.CommandLine;

/// <summary>How a value is written on the command line.</summary>
/// <param name="Metavar">Its place in help.</param>
/// <param name="Parse">Throws <see cref="UsageException"/> when the text is no such value.</param>
/// <param name="Format">The text of a value; null when there is none.</param>
sealed record ValueType<T>(string Metavar, Func<string, T> Parse, Func<T, string?> Format);

/// <summary>The kinds of value that options have.</summary>
static class ValueTypes
{
    /// <summary>Metavar of values that are JSON objects. Options with it have dotted forms: <c>--f.key v</c>.</summary>
    public const string JsonMetavar = "JSON";

    public static ValueType<string> Text(string metavar) => new(metavar, text => text, value => value);

    /// <summary>A text, or <c>None</c> or nothing for no value.</summary>
    public static ValueType<string?> OptionalText(string metavar) =>
        new(metavar, text => IsNone(text) ? null : text, value => value);

    public static ValueType<int> Int { get; } = new("N", text => (int)ParseInt(text, int.MaxValue), Number);

    public static ValueType<long> Long { get; } = new("N", text => ParseInt(text, long.MaxValue), Number);

    public static ValueType<int?> OptionalInt { get; } =
        new("N", text => IsNone(text) ? null : (int)ParseInt(text, int.MaxValue), OptionalNumber);

    public static ValueType<int> Port { get; } = new(
        "PORT",
        text => ParseInt(text, ushort.MaxValue) is >= 0 and long port
            ? (int)port
            : throw new UsageException($"'{text}' is no port"),
        Number);

    /// <summary>4k = 4,000; 4K = 4,096; 25.6k = 25,600.</summary>
    public static ValueType<int> HumanInt { get; } =
        new("N", text => (int)HumanNumber.Parse(text, int.MaxValue), Number);

    public static ValueType<int?> OptionalHumanInt { get; } =
        new("N", text => IsNone(text) ? null : (int)HumanNumber.Parse(text, int.MaxValue), OptionalNumber);

    public static ValueType<long> HumanLong { get; } =
        new("BYTES", text => HumanNumber.Parse(text, long.MaxValue), Number);

    public static ValueType<long?> OptionalHumanLong { get; } =
        new("BYTES", text => IsNone(text) ? null : HumanNumber.Parse(text, long.MaxValue), OptionalNumber);

    /// <summary>A human integer; <c>auto</c> and -1 for no value.</summary>
    public static ValueType<int?> HumanIntOrAuto { get; } = new(
        "N",
        text => IsNone(text) || text is "auto" or "-1" ? null : (int)HumanNumber.Parse(text, int.MaxValue),
        value => OptionalNumber(value) ?? "auto");

    public static ValueType<double> Double { get; } = new("X", ParseDouble, Number);

    public static ValueType<double?> OptionalDouble { get; } =
        new("X", text => IsNone(text) ? null : ParseDouble(text), OptionalNumber);

    public static ValueType<TimeSpan> Seconds { get; } =
        new("SECONDS", text => TimeSpan.FromSeconds(ParseSeconds(text)), value => Number(value.TotalSeconds));

    /// <summary>0 for no value.</summary>
    public static ValueType<TimeSpan?> OptionalSeconds { get; } = new(
        "SECONDS",
        text => ParseSeconds(text) is > 0 and double seconds ? TimeSpan.FromSeconds(seconds) : null,
        value => Number(value?.TotalSeconds ?? 0));

    public static ValueType<string> Choice(params string[] names) => Choice([.. names.Select(name => (name, name))]);

    public static ValueType<T> Choice<T>(params (string Name, T Value)[] choices)
    {
        string metavar = $"{{{string.Join(',', choices.Select(choice => choice.Name))}}}";
        return new(
            metavar,
            text =>
            {
                foreach ((string name, T value) in choices)
                    if (name.Equals(text, StringComparison.OrdinalIgnoreCase))
                        return value;
                throw new UsageException($"'{text}' is none of {metavar}");
            },
            value => choices.First(choice => Equals(choice.Value, value)).Name);
    }

    /// <summary>A JSON list of strings in one argument, as vLLM's CORS flags take it.</summary>
    public static ValueType<IReadOnlyList<string>> JsonList { get; } = new(
        "JSON_LIST",
        text =>
        {
            try
            {
                return JsonDocument.Parse(text).Deserialize(CliJson.Default.IReadOnlyListString) ?? [];
            }
            catch (JsonException)
            {
                throw new UsageException($"'{text}' is no JSON list of strings, such as [\"*\"]");
            }
        },
        values => $"[{string.Join(',', values.Select(value => $"\"{value}\""))}]");

    /// <summary>How vLLM writes that there is no value.</summary>
    public static bool IsNone(string text) => text is "" or "None";

    /// <summary>Two texts of the same number: 0 and 0.0.</summary>
    public static bool AreEqualNumbers(string a, string b) =>
        double.TryParse(a, NumberStyles.Float, CultureInfo.InvariantCulture, out double x)
        && double.TryParse(b, NumberStyles.Float, CultureInfo.InvariantCulture, out double y) && x == y;

    static string Number<T>(T value) where T : struct, IFormattable =>
        value.ToString(null, CultureInfo.InvariantCulture);

    static string? OptionalNumber<T>(T? value) where T : struct, IFormattable =>
        value is { } number ? Number(number) : null;

    static long ParseInt(string text, long max)
    {
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            || value > max || value < -max)
        {
            throw new UsageException($"'{text}' is not a whole number");
        }
        return value;
    }

    static double ParseDouble(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new UsageException($"'{text}' is not a number");

    static double ParseSeconds(string text) => ParseDouble(text) is >= 0 and <= 1e6 and double seconds
        ? seconds
        : throw new UsageException($"'{text}' is not a number of seconds");
}

/// <summary>Whole numbers with a unit: <c>k m g t</c> are powers of 1,000 and take fractions; <c>K M G T</c> are
/// powers of
/// 1,024 and do not, as in vLLM.</summary>
static class HumanNumber
{
    const string Units = "kmgt";

    public static long Parse(string text, long max)
    {
        decimal? value = null;
        int unit = text.Length == 0 ? -1 : Units.IndexOf(char.ToLowerInvariant(text[^1]));
        if (unit >= 0)
            value = Scale(text[..^1], char.IsUpper(text[^1]) ? 1024 : 1000, power: unit + 1);
        else if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long plain))
            value = plain;
        return value is { } number && number <= max && number >= -max
            ? (long)number
            : throw new UsageException($"'{text}' is not a whole number, such as 4096, 4k (4,000) or 4K (4,096)");
    }

    static decimal? Scale(string text, int unit, int power)
    {
        NumberStyles style = unit == 1000 ? NumberStyles.AllowDecimalPoint : NumberStyles.None;
        // The longest number that cannot overflow when scaled; longer ones exceed every limit anyway.
        if (text.Length > 12) return null;
        if (!decimal.TryParse(text, style, CultureInfo.InvariantCulture, out decimal value)) return null;
        for (int i = 0; i < power; i++) value *= unit;
        return value;
    }
}
