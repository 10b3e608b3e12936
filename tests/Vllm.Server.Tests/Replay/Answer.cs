using System.Text;
using System.Text.Json;

namespace Vllm.Tests.Replay;

/// <summary>What the server answered.</summary>
sealed record Answer(int Status, Dictionary<string, string> Headers, string Text)
{
    public JsonElement Json => JsonDocument.Parse(Text, new JsonDocumentOptions { MaxDepth = 1000 }).RootElement;

    /// <summary>The data of each event; the end mark is the string <c>[DONE]</c>.</summary>
    public IReadOnlyList<JsonElement> Events
    {
        get
        {
            List<JsonElement> events = [];
            foreach (string frame in Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
            {
                if (frame.StartsWith(':')) continue;
                Assert.StartsWith("data: ", frame);
                string data = frame["data: ".Length..];
                events.Add(JsonDocument.Parse(data == "[DONE]" ? "\"[DONE]\"" : data).RootElement);
            }
            return events;
        }
    }

    public static async Task<Answer> Send(HttpClient client, RecordedExchange exchange)
    {
        using var message = new HttpRequestMessage(new HttpMethod(exchange.Method), Absolute(client, exchange.Path)) { Content = Content(exchange.Request) };
        foreach (JsonProperty header in exchange.Request.GetProperty("headers").EnumerateObject())
        {
            string value = header.Value.GetString()!;
            if (header.Name.Equals("content-type", StringComparison.OrdinalIgnoreCase))
                message.Content?.Headers.TryAddWithoutValidation(header.Name, value);
            else
                message.Headers.TryAddWithoutValidation(header.Name, value);
        }
        using HttpResponseMessage response = await client.SendAsync(message);
        string text = await response.Content.ReadAsStringAsync();
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, IEnumerable<string> values) in ((IEnumerable<KeyValuePair<string, IEnumerable<string>>>)response.Headers)
            .Concat(response.Content.Headers))
        {
            headers[name] = string.Join(", ", values);
        }
        return new Answer((int)response.StatusCode, headers, text);
    }

    /// <summary>As text, because a path such as <c>//v1</c> would be taken for a host.</summary>
    static Uri Absolute(HttpClient client, string path) => new(client.BaseAddress!.ToString().TrimEnd('/') + path);

    static HttpContent? Content(JsonElement request)
    {
        if (request.TryGetProperty("body", out JsonElement body)) return Bytes(Encoding.UTF8.GetBytes(body.GetRawText()));
        if (request.TryGetProperty("body_text", out JsonElement text)) return Bytes(Encoding.UTF8.GetBytes(text.GetString()!));
        if (request.TryGetProperty("body_base64", out JsonElement base64)) return Bytes(base64.GetBytesFromBase64());
        return request.GetProperty("headers").EnumerateObject().Any(h => h.Name == "content-type") ? Bytes([]) : null;
    }

    static ByteArrayContent Bytes(byte[] bytes) => new(bytes);
}
