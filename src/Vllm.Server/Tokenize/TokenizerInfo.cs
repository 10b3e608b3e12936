using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Tokenize;

/// <summary><c>GET /tokenizer_info</c> (<c>--enable-tokenizer-info-endpoint</c>): the checkpoint's
/// <c>tokenizer_config.json</c>, or what a GGUF file says instead, with the chat template in use.</summary>
sealed class TokenizerInfo(EngineConfig config)
{
    public Task Get(HttpContext context) => JsonText.Respond(context, this, static (json, info) => info.Write(json));

    void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        string file = Path.Combine(config.Options.Model, "tokenizer_config.json");
        if (File.Exists(file)) WriteFile(json, file);
        else WriteWithoutFile(json);
        json.WriteEndObject();
    }

    void WriteFile(Utf8JsonWriter json, string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        JsonElement root = document.RootElement;
        if (!root.TryGetProperty("tokenizer_class", out _)) json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        foreach (JsonProperty property in root.EnumerateObject())
        {
            bool isReplaced = property.NameEquals("chat_template") && config.Options.ChatTemplate is not null;
            if (!isReplaced) property.WriteTo(json);
        }
        if (config.Options.ChatTemplate is { } template) json.WriteString("chat_template", template);
    }

    void WriteWithoutFile(Utf8JsonWriter json)
    {
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteString("bos_token", config.BosToken);
        json.WriteString("eos_token", config.EosToken);
        if (config.Options.ChatTemplate is { } template) json.WriteString("chat_template", template);
    }
}
