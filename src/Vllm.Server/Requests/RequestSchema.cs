using System.Globalization;
using System.Text.Json;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>The fields of every request with their types, from the embedded table <c>request-fields.json</c> (taken
/// from vLLM 0.33.0; unknown fields are accepted and ignored there as here).</summary>
sealed class RequestSchema
{
    /// <summary>How the table writes the bound of <c>stop</c>, which operators may change.</summary>
    const string StopBound = "list[str][max_length=4]";

    const int DefaultMaxStopStrings = 4;

    readonly Dictionary<string, List<Field>> _models = [];
    readonly string _stopBound;

    RequestSchema(int maxStopStrings)
    {
        _stopBound = string.Create(CultureInfo.InvariantCulture, $"list[str][max_length={maxStopStrings}]");
        using Stream table = typeof(RequestSchema).Assembly.GetManifestResourceStream("request-fields.json")!;
        using var document = JsonDocument.Parse(table);
        foreach (JsonProperty model in document.RootElement.EnumerateObject()) _models[model.Name] = [];
        foreach (JsonProperty model in document.RootElement.EnumerateObject())
            foreach (JsonElement field in model.Value.EnumerateArray())
                _models[model.Name].Add(ReadField(field));
    }

    /// <summary>With vLLM's defaults.</summary>
    public static RequestSchema Instance { get; } = new(DefaultMaxStopStrings);

    public static RequestSchema For(int maxStopStrings) =>
        maxStopStrings == DefaultMaxStopStrings ? Instance : new RequestSchema(maxStopStrings);

    Field ReadField(JsonElement field)
    {
        string type = field.GetProperty("type").GetString()!.Replace(StopBound, _stopBound);
        if (field.TryGetProperty("bounds", out JsonElement bounds) && type.StartsWith("int", StringComparison.Ordinal))
        {
            // "int | None" with bounds beside it means the same as "int[ge=…, le=…] | None".
            string options = string.Join(", ", bounds.EnumerateObject()
                .Select(b => string.Create(CultureInfo.InvariantCulture, $"{b.Name}={b.Value.GetRawText()}")));
            type = $"int[{options}]{type["int".Length..]}";
        }
        if (bounds.ValueKind == JsonValueKind.Object && bounds.TryGetProperty("min_length", out JsonElement minLength)
            && type.StartsWith("list", StringComparison.Ordinal))
        {
            type += $"[min_length={minLength}]";
        }
        string name =
            (field.TryGetProperty("alias", out JsonElement alias) ? alias : field.GetProperty("name")).GetString()!;
        return new Field(name, FieldType.Parse(type, this), field.TryGetProperty("required", out _));
    }

    public bool HasModel(string name) => _models.ContainsKey(name);

    public IEnumerable<string> FieldNames(string model) => _models[model].Select(f => f.Name);

    /// <summary>Checks a whole body against a request model.</summary>
    /// <exception cref="RequestException">It does not fit; all errors are reported at once.</exception>
    public void Require(string model, JsonElement body)
    {
        var errors = new ValidationErrors();
        Check(model, body, "body", errors);
        errors.ThrowIfAny();
    }

    /// <summary>Checks an object and adds what is wrong, in the order of the model's fields.</summary>
    public void Check(string model, JsonElement value, string location, ValidationErrors errors)
    {
        foreach (Field field in _models[model])
        {
            if (value.TryGetProperty(field.Name, out JsonElement member))
                field.Type.Check(member, $"{location}.{field.Name}", errors);
            else if (field.IsRequired)
                errors.Add("missing", $"{location}.{field.Name}", "Field required", value);
        }
    }

    sealed record Field(string Name, FieldType Type, bool IsRequired);
}
