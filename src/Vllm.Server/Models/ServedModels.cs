using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Models;

/// <summary>The names that the server answers to, and <c>GET /v1/models</c>, which lists them.</summary>
sealed class ServedModels(EngineConfig config, ServerEnvironment environment)
{
    readonly IReadOnlyList<string> _names =
        config.Options.ServedModelName is { Count: > 0 } names ? names : [config.Options.Model];

    readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The first name, which answers and metrics show whatever alias the client used.</summary>
    public string Name => _names[0];

    /// <exception cref="RequestException">404: not a name of this server. No name at all is fine.</exception>
    public void Require(string? requested)
    {
        if (string.IsNullOrEmpty(requested) || _names.Contains(requested)) return;
        if (environment.SkipModelNameValidation) return;
        throw RequestException.NotFound(
            $"The model `{requested}` does not exist. Valid aliases: {string.Join(", ", _names)}.", "model");
    }

    public Task List(HttpContext context) => JsonText.Respond(context, this, static (json, models) =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (string name in models._names) models.WriteCard(json, name);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    void WriteCard(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject();
        json.WriteString("id", name);
        json.WriteString("object", "model");
        json.WriteNumber("created", _created);
        json.WriteString("owned_by", "vllm");
        json.WriteString("root", config.Options.Model);
        json.WriteNull("parent");
        json.WriteNumber("max_model_len", config.MaxModelLen);
        json.WriteStartArray("permission");
        json.WriteStartObject();
        json.WriteString("id", $"modelperm-{Guid.NewGuid():N}");
        json.WriteString("object", "model_permission");
        json.WriteNumber("created", _created);
        json.WriteBoolean("allow_create_engine", false);
        json.WriteBoolean("allow_sampling", true);
        json.WriteBoolean("allow_logprobs", true);
        json.WriteBoolean("allow_search_indices", false);
        json.WriteBoolean("allow_view", true);
        json.WriteBoolean("allow_fine_tuning", false);
        json.WriteString("organization", "*");
        json.WriteNull("group");
        json.WriteBoolean("is_blocking", false);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
