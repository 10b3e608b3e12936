using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Cli.CommandLine;

/// <summary>vLLM's <c>--logging-config</c>.</summary>
/// <param name="IsJson">One JSON object per line in place of text.</param>
/// <param name="Level">Beats <c>--log-level</c>; null = that one's.</param>
sealed record LoggingConfig(bool IsJson = false, LogLevel? Level = null)
{
    public static ValueType<LoggingConfig> Type { get; } = new(ValueTypes.JsonMetavar, Parse, Write);

    static LoggingConfig Parse(string text)
    {
        if (ValueTypes.IsNone(text)) return new LoggingConfig();
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            var config = new LoggingConfig();
            foreach (JsonProperty field in document.RootElement.EnumerateObject()) config = With(config, field);
            return config;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UsageException($"'{text}' is no JSON object, such as {{\"formatter\": \"json\"}}");
        }
    }

    static LoggingConfig With(LoggingConfig config, JsonProperty field) => (field.Name, $"{field.Value}") switch
    {
        ("formatter", "json") => config with { IsJson = true },
        ("formatter", "text") => config with { IsJson = false },
        ("formatter", string other) => throw new UsageException($"formatter is text or json, got '{other}'"),
        ("log_level", string level) => config with { Level = Log.LevelType.Parse(level) },
        ("configure_logging", "True") or ("pylogging_config_file", "") => config,
        _ => throw new UsageException($"not supported: {field.Name}"),
    };

    static string? Write(LoggingConfig config)
    {
        var json = new JsonObject();
        if (config.IsJson) json["formatter"] = "json";
        if (config.Level is { } level) json["log_level"] = Log.LevelType.Format(level);
        return json.Count > 0 ? json.ToJsonString() : null;
    }
}
