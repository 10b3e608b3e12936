using System.Text.Json;

namespace Vllm.Server.Protocol;

/// <summary>Token counts of an answer; the prompt counts once however many choices it has. Cached tokens are null when
/// the server does not tell.</summary>
readonly record struct Usage(
    int PromptTokens, int CompletionTokens, int? CachedTokens = null, int CreatedCacheTokens = 0)
{
    /// <summary>The <c>usage</c> member of a whole answer, every field present.</summary>
    public void WriteWhole(Utf8JsonWriter json, bool isChat)
    {
        WriteCounts(json);
        if (CachedTokens is { } cached)
        {
            json.WriteStartObject("prompt_tokens_details");
            json.WriteNumber("cached_tokens", cached);
            WriteCreatedTokens(json, isChat);
            json.WriteNull("multimodal_tokens");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("prompt_tokens_details");
        }
        json.WriteNull("completion_tokens_details");
        json.WriteEndObject();
    }

    /// <summary>The <c>usage</c> member of a stream's last chunk, without nulls.</summary>
    public void WriteFinal(Utf8JsonWriter json, bool isChat)
    {
        WriteCounts(json);
        if (CachedTokens is { } cached)
        {
            json.WriteStartObject("prompt_tokens_details");
            json.WriteNumber("cached_tokens", cached);
            if (isChat) WriteCreatedTokens(json, isChat);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    /// <summary>The <c>usage</c> member of every chunk (<c>continuous_usage_stats</c>).</summary>
    public void WriteContinuous(Utf8JsonWriter json, bool isChat)
    {
        WriteCounts(json);
        if (isChat) json.WriteNull("completion_tokens_details");
        json.WriteEndObject();
    }

    /// <summary>Only vLLM's chat route counts these.</summary>
    void WriteCreatedTokens(Utf8JsonWriter json, bool isChat)
    {
        if (isChat) json.WriteNumber("created_cache_tokens", CreatedCacheTokens);
        else json.WriteNull("created_cache_tokens");
    }

    void WriteCounts(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", PromptTokens);
        json.WriteNumber("total_tokens", PromptTokens + CompletionTokens);
        json.WriteNumber("completion_tokens", CompletionTokens);
    }
}
