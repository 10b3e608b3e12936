namespace Vllm.Models.Loading;

/// <summary>
/// Metadata of a GGUF file, read value by value with checks: a value of the wrong kind or outside its bounds is a
/// <see cref="ModelLoadException"/> with file and key.
/// </summary>
sealed class GgufKeys(GgufFile file)
{
    public bool Contains(string key) => file.Metadata.ContainsKey(key);

    public string? String(string key) => Value<string>(key, "a string");

    public string[]? Strings(string key) => Value<string[]>(key, "an array of strings");

    public bool? Bool(string key) => file.Metadata.TryGetValue(key, out object? value)
        ? value as bool? ?? throw Defect(key, "a bool")
        : null;

    public double? Double(string key)
    {
        if (!file.Metadata.TryGetValue(key, out object? value)) return null;
        double number = value switch { float single => single, double wide => wide, _ => double.NaN };
        return double.IsFinite(number) ? number : throw Defect(key, "a finite floating-point number");
    }

    public double? PositiveDouble(string key) => Double(key) switch
    {
        <= 0 => throw Defect(key, "a number above zero"),
        double value => value,
        null => null,
    };

    public long? Whole(string key)
    {
        if (!file.Metadata.TryGetValue(key, out object? value)) return null;
        return value switch
        {
            byte or sbyte or short or ushort or int or uint or long => Convert.ToInt64(value, null),
            ulong wide and <= long.MaxValue => (long)wide,
            _ => throw Defect(key, "a whole number"),
        };
    }

    public int? Int(string key, int min = 0, int max = ModelLimits.MaxSize) => Whole(key) is not long number ? null
        : number >= min && number <= max ? (int)number
        : throw Defect(key, $"a whole number from {min} to {max}");

    public int RequiredInt(string key, int min = 1, int max = ModelLimits.MaxSize) =>
        Int(key, min, max) ?? throw Defect(key, $"a whole number from {min} to {max}");

    public ModelLoadException Defect(string key, string expected) => Defect(key, expected,
        !file.Metadata.TryGetValue(key, out object? value) ? "nothing"
        : value is Array array ? $"an array of {array.Length}"
        : $"{value} ({value.GetType().Name})");

    public ModelLoadException Defect(string key, string expected, string found) => new(file.Path, key, expected, found);

    T? Value<T>(string key, string expected) where T : class => file.Metadata.TryGetValue(key, out object? value)
        ? value as T ?? throw Defect(key, expected)
        : null;
}
