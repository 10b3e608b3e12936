using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;

namespace Vllm.Models.Loading;

/// <summary>
/// An object of a JSON file, read value by value with checks: a value of the wrong kind or outside its bounds is a
/// <see cref="ModelLoadException"/> with file and key. A key that is absent and one that is null are the same.
/// </summary>
readonly struct ConfigObject
{
    const long MaxFileSizeBytes = 64 << 20;

    readonly string _file;
    readonly string _prefix;
    readonly JsonElement _element;

    ConfigObject(string file, string prefix, JsonElement element)
    {
        (_file, _prefix, _element) = (file, prefix, element);
        if (element.ValueKind != JsonValueKind.Object)
            throw new ModelLoadException(file, prefix.Length == 0 ? "JSON" : prefix[..^1], "an object", Shown(element));
    }

    public static ConfigObject Read(string file) => Parse(file, ModelFiles.ReadAll(file, MaxFileSizeBytes));

    public static ConfigObject Parse(string file, byte[] utf8)
    {
        PythonJson.ReplaceInfinity(utf8);
        ReadOnlyMemory<byte> json = utf8.AsSpan().StartsWith("\uFEFF"u8) ? utf8.AsMemory(3) : utf8;
        try
        {
            JsonDocument document = JsonDocument.Parse(json);
            CheckStrings(json.Span);
            return new(file, "", document.RootElement);
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException)
        {
            throw new ModelLoadException(file, "JSON", "a valid document", cause.Message, cause);
        }
    }

    /// <summary>
    /// The parser leaves bad UTF-8 and lone surrogates to whoever reads a string: look for them once.
    /// </summary>
    static void CheckStrings(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) throw new JsonException("invalid UTF-8");
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
            if (reader.ValueIsEscaped)
                reader.GetString();
    }

    public IEnumerable<string> Keys => _element.EnumerateObject().Select(property => property.Name);

    /// <summary>All values, objects each, in the file's order; a key may come twice.</summary>
    public IEnumerable<(string Key, ConfigObject Value)> Entries()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
            yield return (property.Name, new(_file, _prefix + property.Name + ".", property.Value));
    }

    /// <summary>All values, strings each.</summary>
    public IEnumerable<(string Key, string Value)> StringEntries()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
            yield return (property.Name, TryString(property.Value, out string value)
                ? value
                : throw Defect(property.Name, "a string", Shown(property.Value)));
    }

    /// <summary>Whether the key is there, be it null: some defaults hold for absent keys only.</summary>
    public bool Contains(string key) => _element.TryGetProperty(key, out _);

    public bool IsString(string key) => Value(key)?.ValueKind == JsonValueKind.String;

    public bool IsObject(string key) => Value(key)?.ValueKind == JsonValueKind.Object;

    public bool IsArray(string key) => Value(key)?.ValueKind == JsonValueKind.Array;

    public ConfigObject? Object(string key) =>
        Value(key) is JsonElement value ? new ConfigObject(_file, _prefix + key + ".", value) : null;

    public IReadOnlyList<ConfigObject>? Objects(string key)
    {
        (string file, string prefix) = (_file, _prefix + key + "[].");
        return Items(key, "a list of objects", (JsonElement value, out ConfigObject item) =>
        {
            bool isObject = value.ValueKind == JsonValueKind.Object;
            item = isObject ? new(file, prefix, value) : default;
            return isObject;
        });
    }

    public string? String(string key) => TryGet(key, "a string", TryString, out string? value) ? value : null;

    public bool? Bool(string key) => TryGet(key, "true or false", TryBool, out bool value) ? value : null;

    public double? Double(string key) => TryGet(key, "a number", TryDouble, out double value) ? value : null;

    public double? PositiveDouble(string key) => Double(key) switch
    {
        <= 0 => throw Defect(key, "a number above zero"),
        double value => value,
        null => null,
    };

    public int? Int(string key, int min = 0, int max = ModelLimits.MaxSize)
    {
        string expected = $"a whole number from {min} to {max}";
        if (!TryGet(key, expected, TryInt, out int value)) return null;
        return value >= min && value <= max ? value : throw Defect(key, expected);
    }

    public int RequiredInt(string key, int min = 1, int max = ModelLimits.MaxSize) =>
        Int(key, min, max) ?? throw Defect(key, $"a whole number from {min} to {max}");

    /// <summary>A list of whole numbers, or one alone.</summary>
    public IReadOnlyList<int>? Ints(string key) => Items<int>(key, "whole numbers", TryInt);

    /// <summary>A list of offsets, none negative.</summary>
    public IReadOnlyList<long>? Longs(string key) => Items<long>(key, "whole numbers from 0", TryLong);

    public IReadOnlyList<double>? Doubles(string key) => Items<double>(key, "numbers", TryDouble);

    public IReadOnlyList<string>? Strings(string key) => Items<string>(key, "strings", TryString);

    public ModelLoadException Defect(string key, string expected) =>
        Defect(key, expected, Value(key) is JsonElement value ? Shown(value) : "nothing");

    public ModelLoadException Defect(string key, string expected, string found) =>
        new(_file, _prefix + key, expected, found);

    JsonElement? Value(string key) =>
        _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    bool TryGet<T>(string key, string expected, TryRead<T> tryRead, [MaybeNullWhen(false)] out T result)
    {
        result = default;
        if (Value(key) is not JsonElement value) return false;
        return tryRead(value, out result) ? true : throw Defect(key, expected);
    }

    List<T>? Items<T>(string key, string expected, TryRead<T> tryRead)
    {
        if (Value(key) is not JsonElement value) return null;
        if (value.ValueKind != JsonValueKind.Array)
            return tryRead(value, out T? one) ? [one] : throw Defect(key, expected);
        var items = new List<T>(value.GetArrayLength());
        foreach (JsonElement element in value.EnumerateArray())
            items.Add(tryRead(element, out T? item) ? item : throw Defect(key, expected, Shown(element)));
        return items;
    }

    static bool TryString(JsonElement value, out string result)
    {
        result = value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        return value.ValueKind == JsonValueKind.String;
    }

    static bool TryBool(JsonElement value, out bool result)
    {
        result = value.ValueKind == JsonValueKind.True;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    static bool TryDouble(JsonElement value, out double result)
    {
        result = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out result) && double.IsFinite(result);
    }

    /// <summary>Python writes whole numbers as 4096 or 4096.0.</summary>
    static bool TryInt(JsonElement value, out int result)
    {
        bool isWhole = TryDouble(value, out double number) && number == Math.Floor(number)
            && number is >= int.MinValue and <= int.MaxValue;
        result = isWhole ? (int)number : 0;
        return isWhole;
    }

    static bool TryLong(JsonElement value, out long result)
    {
        result = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out result) && result >= 0;
    }

    static string Shown(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => $"a list of {value.GetArrayLength()}",
        _ when value.GetRawText() is { Length: > 80 } text => text[..80] + "…",
        _ => value.GetRawText(),
    };

    delegate bool TryRead<T>(JsonElement value, [MaybeNullWhen(false)] out T result);
}
