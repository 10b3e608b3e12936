using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Cli.CommandLine;

/// <summary>Sampling defaults as a JSON object with the names of generation_config.json.</summary>
static class GenerationOverrides
{
    public static ValueType<SamplingDefaults?> Type { get; } =
        new(ValueTypes.JsonMetavar, Parse, defaults => defaults is null ? null : Write(defaults).ToJsonString());

    static SamplingDefaults? Parse(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            var defaults = new SamplingDefaults();
            foreach (JsonProperty field in document.RootElement.EnumerateObject()) defaults = With(defaults, field);
            return defaults;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new UsageException($"'{text}' is no JSON object of numbers, such as {{\"temperature\": 0.5}}");
        }
    }

    static SamplingDefaults With(SamplingDefaults defaults, JsonProperty field) => field.Name switch
    {
        "temperature" => defaults with { Temperature = field.Value.GetSingle() },
        "top_p" => defaults with { TopP = field.Value.GetSingle() },
        "top_k" => defaults with { TopK = field.Value.GetInt32() },
        "min_p" => defaults with { MinP = field.Value.GetSingle() },
        "repetition_penalty" => defaults with { RepetitionPenalty = field.Value.GetSingle() },
        "max_new_tokens" => defaults with { MaxNewTokens = field.Value.GetInt32() },
        _ => throw new UsageException($"not supported: {field.Name}"),
    };

    static JsonObject Write(SamplingDefaults defaults)
    {
        var json = new JsonObject();
        Add("temperature", defaults.Temperature);
        Add("top_p", defaults.TopP);
        Add("top_k", defaults.TopK);
        Add("min_p", defaults.MinP);
        Add("repetition_penalty", defaults.RepetitionPenalty);
        Add("max_new_tokens", defaults.MaxNewTokens);
        return json;

        void Add(string name, JsonNode? value)
        {
            if (value is not null) json[name] = value;
        }
    }
}
