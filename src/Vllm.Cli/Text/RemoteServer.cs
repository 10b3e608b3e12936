using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Cli.Text;

/// <summary>A running OpenAI-compatible server.</summary>
sealed class RemoteServer : ITextSource
{
    readonly HttpClient _http;
    readonly string _url;
    readonly ClientArguments _arguments;
    readonly string _model;

    RemoteServer(HttpClient http, string url, ClientArguments arguments, string model)
    {
        _http = http;
        _url = url;
        _arguments = arguments;
        _model = model;
    }

    /// <summary>Asks the server for its first model when none is named.</summary>
    public static async Task<RemoteServer> OpenAsync(string url, ClientArguments arguments)
    {
        url = url.TrimEnd('/');
        if (!url.EndsWith("/v1", StringComparison.Ordinal)) url += "/v1";
        var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan }; // answers take as long as they take
        if ((arguments.ApiKey ?? Environment.GetEnvironmentVariable("OPENAI_API_KEY")) is { Length: > 0 } key)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return new RemoteServer(http, url, arguments, arguments.ModelName ?? await FirstModelAsync(http, url));
    }

    public IAsyncEnumerable<TextPiece> CompleteAsync(string prompt, CancellationToken cancellationToken) => StreamAsync(
        "/completions", new JsonObject { ["prompt"] = prompt },
        choice => choice.TryGetProperty("text", out JsonElement text) ? text : null, cancellationToken);

    public IAsyncEnumerable<TextPiece> ChatAsync(
        IReadOnlyList<ChatMessage> messages, CancellationToken cancellationToken)
    {
        JsonNode? list = JsonSerializer.SerializeToNode(messages, CliJson.Default.IReadOnlyListChatMessage);
        return StreamAsync(
            "/chat/completions", new JsonObject { ["messages"] = list },
            choice => choice.GetProperty("delta").TryGetProperty("content", out JsonElement text) ? text : null,
            cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    static async Task<string> FirstModelAsync(HttpClient http, string url)
    {
        using HttpResponseMessage response = await http.GetAsync(url + "/models");
        await ThrowIfFailedAsync(response);
        using JsonDocument models = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync());
        return models.RootElement.GetProperty("data")[0].GetProperty("id").GetString()!;
    }

    async IAsyncEnumerable<TextPiece> StreamAsync(
        string path, JsonObject body, Func<JsonElement, JsonElement?> textOf,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        body["model"] = _model;
        body["stream"] = true;
        body["stream_options"] = new JsonObject { ["include_usage"] = true, ["continuous_usage_stats"] = true };
        if (_arguments.MaxTokens is { } maxTokens) body["max_tokens"] = maxTokens;
        if (_arguments.Temperature is { } temperature) body["temperature"] = temperature;
        using var request = new HttpRequestMessage(HttpMethod.Post, _url + path)
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response =
            await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ThrowIfFailedAsync(response);
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (SseItem<string> item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            if (item.Data == "[DONE]") yield break;
            yield return Piece(item.Data, textOf);
        }
    }

    static TextPiece Piece(string json, Func<JsonElement, JsonElement?> textOf)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement chunk = document.RootElement;
        if (chunk.TryGetProperty("error", out JsonElement error)) throw new HttpRequestException(MessageOf(error));
        int numTokens = chunk.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object
            ? usage.GetProperty("completion_tokens").GetInt32()
            : 0;
        JsonElement choices = chunk.GetProperty("choices");
        string? text = choices.GetArrayLength() > 0 ? textOf(choices[0])?.GetString() : null;
        return new TextPiece(text ?? "", numTokens);
    }

    static async Task ThrowIfFailedAsync(HttpResponseMessage response)
    {
        if (response.IsSuccessStatusCode) return;
        string body = await response.Content.ReadAsStringAsync();
        throw new HttpRequestException($"the server answered {(int)response.StatusCode}: {ErrorIn(body)}");
    }

    static string ErrorIn(string body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            return document.RootElement.TryGetProperty("error", out JsonElement error) ? MessageOf(error) : body;
        }
        catch (JsonException)
        {
            return body;
        }
    }

    static string MessageOf(JsonElement error) =>
        error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out JsonElement message)
            ? $"{message}"
            : $"{error}";
}
