using System.Text.Json;

namespace Vllm.Text.Tokenization.Json;

/// <summary>A value in a tokenizer.json together with where it stands, so that errors can name file and key.</summary>
readonly record struct JsonKey(string File, string Path, JsonElement Value)
{
    /// <summary>The <c>type</c> of a component.</summary>
    public string Type => Get("type").AsString();

    public bool IsNull => Value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public TokenizerLoadException Fail(string problem, Exception? inner = null) => new(File, Path, problem, inner);

    /// <summary>A property that may be absent or null.</summary>
    public JsonKey? Find(string name)
    {
        if (Value.ValueKind != JsonValueKind.Object) throw Fail($"expected an object, found {Describe()}");
        if (!Value.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        return this with { Path = Path.Length == 0 ? name : $"{Path}.{name}", Value = value };
    }

    public JsonKey Get(string name) => Find(name) ?? throw Fail($"'{name}' is missing");

    public IEnumerable<JsonKey> Items()
    {
        if (Value.ValueKind != JsonValueKind.Array) throw Fail($"expected a list, found {Describe()}");
        int index = 0;
        foreach (JsonElement item in Value.EnumerateArray())
            yield return this with { Path = $"{Path}[{index++}]", Value = item };
    }

    public string AsString() =>
        Value.ValueKind == JsonValueKind.String ? Value.GetString()!
            : throw Fail($"expected a string, found {Describe()}");

    public bool AsBool() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Fail($"expected true or false, found {Describe()}"),
    };

    public int AsInt() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int value) ? value
            : throw Fail($"expected an integer, found {Describe()}");

    public bool GetBool(string name, bool fallback) => Find(name)?.AsBool() ?? fallback;

    /// <summary>The components of a list, each read in the same way.</summary>
    public List<T> ReadAll<T>(string name, Func<JsonKey, T> read) => [.. Get(name).Items().Select(read)];

    string Describe() =>
        Value.ValueKind == JsonValueKind.Undefined ? "nothing"
        : Value.GetRawText()[..Math.Min(60, Value.GetRawText().Length)];
}
