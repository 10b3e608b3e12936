using System.Globalization;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary>Typed access to the tokenizer's keys, with errors that name the key.</summary>
readonly struct GgufMetadata(IReadOnlyDictionary<string, object> metadata)
{
    const string Source = "GGUF";

    public string? FindString(string key) =>
        metadata.TryGetValue(key, out object? value) ? As<string>(key, value) : null;

    public bool FindBool(string key, bool fallback) =>
        metadata.TryGetValue(key, out object? value) ? As<bool>(key, value) : fallback;

    public int? FindInt(string key)
    {
        if (!metadata.TryGetValue(key, out object? value)) return null;
        try
        {
            return Convert.ToInt32(value, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is InvalidCastException or OverflowException or FormatException)
        {
            throw Fail(key, $"expected an integer, found {value}", e);
        }
    }

    public string[] GetStrings(string key) =>
        metadata.TryGetValue(key, out object? value) ? As<string[]>(key, value) : throw Fail(key, "is missing");

    /// <summary>An array of 32-bit integers of either sign, or null when the key is absent.</summary>
    public int[]? FindInts(string key, int minLength)
    {
        if (!metadata.TryGetValue(key, out object? value)) return null;
        int[] array = value switch
        {
            int[] signed => signed,
            uint[] unsigned => [.. unsigned.Select(v => (int)v)],
            _ => As<int[]>(key, value),
        };
        return CheckLength(key, array, minLength);
    }

    public float[]? FindFloats(string key, int minLength)
    {
        if (!metadata.TryGetValue(key, out object? value)) return null;
        float[] array = value is int[] integers ? [.. integers.Select(v => (float)v)] : As<float[]>(key, value);
        return CheckLength(key, array, minLength);
    }

    public static TokenizerLoadException Fail(string key, string problem, Exception? inner = null) =>
        new(Source, key, problem, inner);

    static T[] CheckLength<T>(string key, T[] array, int minLength) =>
        array.Length >= minLength ? array : throw Fail(key, $"has {array.Length} entries for {minLength} tokens");

    static T As<T>(string key, object value) =>
        value is T typed ? typed : throw Fail(key, $"expected {typeof(T).Name}, found {value.GetType().Name}");
}
