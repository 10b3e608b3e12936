using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks.Datasets;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>What a benchmark asks a server besides completions.</summary>
sealed class ServerApi(HttpClient http, string server)
{
    /// <summary>Name of the server's first model, and where its files are.</summary>
    public async Task<(string Id, string Root)> FirstModelAsync()
    {
        using HttpResponseMessage response = await http.GetAsync($"{server}/v1/models");
        using JsonDocument models = await ReadAsync(response);
        if (!models.RootElement.TryGetProperty("data", out JsonElement data) || data.ValueKind != JsonValueKind.Array
            || data.GetArrayLength() == 0 || data[0].GetProperty("id").GetString() is not { } id)
        {
            throw new HttpRequestException($"{server}/v1/models lists no model; name one with --model");
        }
        string? root = data[0].TryGetProperty("root", out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
        return (id, root ?? id);
    }

    /// <summary>Null when the server has no metrics, or none of speculative decoding.</summary>
    public async Task<SpecDecodeCounters?> SpecDecodeAsync()
    {
        try
        {
            using HttpResponseMessage response = await http.GetAsync($"{server}/metrics");
            return response.IsSuccessStatusCode
                ? SpecDecodeCounters.Parse(await response.Content.ReadAsStringAsync())
                : null;
        }
        // A server that has gone away must not cost the results of the run.
        catch (HttpRequestException)
        {
            return null;
        }
    }

    public async Task<JsonDocument> PostAsync(string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json"));
        using HttpResponseMessage response = await http.PostAsync(server + path, content);
        return await ReadAsync(response);
    }

    static async Task<JsonDocument> ReadAsync(HttpResponseMessage response)
    {
        string body = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"{response.RequestMessage?.RequestUri} answered "
                + $"{(int)response.StatusCode}: {ErrorBody.MessageIn(body)}");
        }
        return JsonDocument.Parse(body);
    }
}

/// <summary>A server's <c>/tokenize</c> and <c>/detokenize</c>, as vLLM has them.</summary>
sealed class ServerPromptTokens(ServerApi server, string model) : PromptTokens
{
    public override async ValueTask<IReadOnlyList<int>> EncodeAsync(string text)
    {
        using JsonDocument answer = await server.PostAsync("/tokenize", new JsonObject
        {
            ["model"] = model,
            ["prompt"] = text,
            ["add_special_tokens"] = false,
        });
        return [.. answer.RootElement.GetProperty("tokens").EnumerateArray().Select(id => id.GetInt32())];
    }

    public override async ValueTask<string> DecodeAsync(IReadOnlyList<int> ids)
    {
        using JsonDocument answer = await server.PostAsync("/detokenize", new JsonObject
        {
            ["model"] = model,
            ["tokens"] = new JsonArray([.. ids.Select(id => JsonValue.Create(id))]),
        });
        return answer.RootElement.GetProperty("prompt").GetString() ?? "";
    }
}
