using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>What all requests of a run have in common.</summary>
/// <param name="Url">Address of the API.</param>
/// <param name="Model">Name of the model.</param>
/// <param name="IsChat">Chat completions in place of completions.</param>
/// <param name="Logprobs">Log probabilities per token, in completions.</param>
/// <param name="ExtraFields">Further fields; they replace others of the same name.</param>
sealed record RequestForm(
    string Url, string Model, bool IsChat, int? Logprobs, IReadOnlyDictionary<string, JsonNode?> ExtraFields)
{
    public byte[] Body(Datasets.BenchRequest request)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("model", Model);
        if (IsChat) WriteMessages(json, request);
        else WritePrompt(json, request);
        Number(json, IsChat ? "max_completion_tokens" : "max_tokens", request.NumOutputTokens);
        if (!ExtraFields.ContainsKey("stream")) json.WriteBoolean("stream", true);
        if (!ExtraFields.ContainsKey("stream_options"))
        {
            json.WriteStartObject("stream_options");
            json.WriteBoolean("include_usage", true);
            json.WriteEndObject();
        }
        foreach ((string name, JsonNode? value) in ExtraFields)
        {
            json.WritePropertyName(name);
            if (value is null) json.WriteNullValue();
            else value.WriteTo(json);
        }
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    static void WriteMessages(Utf8JsonWriter json, Datasets.BenchRequest request)
    {
        json.WriteStartArray("messages");
        json.WriteStartObject();
        json.WriteString("role", "user");
        json.WriteString("content", request.Text);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    void WritePrompt(Utf8JsonWriter json, Datasets.BenchRequest request)
    {
        if (request.Text is { } text)
        {
            json.WriteString("prompt", text);
        }
        else
        {
            json.WriteStartArray("prompt");
            foreach (int id in request.PromptTokenIds) json.WriteNumberValue(id);
            json.WriteEndArray();
        }
        Number(json, "repetition_penalty", 1);
        if (Logprobs is int logprobs) Number(json, "logprobs", logprobs);
    }

    void Number(Utf8JsonWriter json, string name, int value)
    {
        if (!ExtraFields.ContainsKey(name)) json.WriteNumber(name, value);
    }
}

/// <summary>Sends requests and takes the times of what comes back. Safe for many at a time.</summary>
sealed class RequestSender(HttpClient http, RequestForm form)
{
    const long MaxErrorSizeBytes = 16 << 20;

    static readonly TimeSpan Patience = TimeSpan.FromHours(6); // vLLM's

    static readonly MediaTypeHeaderValue JsonType = new("application/json");

    /// <summary>One client for all requests: connections are kept and as many as there are requests.</summary>
    public static HttpClient CreateClient(BenchServeArguments arguments)
    {
        var handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
        };
        // --insecure is the user's word for it.
        if (arguments.Insecure) handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        var http = new HttpClient(handler)
        {
            Timeout = Patience,
            MaxResponseContentBufferSize = MaxErrorSizeBytes, // of bodies that are read as a whole
            DefaultRequestVersion = HttpVersion.Version11,
        };
        if (Environment.GetEnvironmentVariable("OPENAI_API_KEY") is { Length: > 0 } key)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        foreach (string header in arguments.Header)
        {
            int equals = header.IndexOf('=', StringComparison.Ordinal);
            http.DefaultRequestHeaders.Remove(header[..equals]);
            http.DefaultRequestHeaders.TryAddWithoutValidation(header[..equals], header[(equals + 1)..]);
        }
        return http;
    }

    /// <param name="request">What to send.</param>
    /// <param name="id">Its x-request-id; null for none.</param>
    /// <param name="benchmarkStart">Timestamp that the outcome's start counts from.</param>
    /// <returns>The outcome; a failure is one, too.</returns>
    public async Task<RequestOutcome> SendAsync(Datasets.BenchRequest request, string? id, long benchmarkStart)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, form.Url)
        {
            Content = new ByteArrayContent(form.Body(request)) { Headers = { ContentType = JsonType } },
        };
        if (id is not null) message.Headers.TryAddWithoutValidation("x-request-id", id);
        var answer = new TimedAnswer(Stopwatch.GetTimestamp());
        string error;
        try
        {
            error = await ReceiveAsync(message, answer);
        }
        // What networks and servers do wrong; it fails this request and no other.
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or InvalidDataException
            or OperationCanceledException)
        {
            error = e.Message.Length > 0 ? e.Message : e.GetType().Name;
        }
        return answer.Outcome(request, benchmarkStart, error);
    }

    /// <summary>Returns what went wrong, or nothing.</summary>
    async Task<string> ReceiveAsync(HttpRequestMessage message, TimedAnswer answer)
    {
        using HttpResponseMessage response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            string body = await response.Content.ReadAsStringAsync();
            return $"{(int)response.StatusCode} {response.ReasonPhrase}: {ErrorBody.MessageIn(body)}";
        }
        await using Stream stream = await response.Content.ReadAsStreamAsync();
        using var timeout = new CancellationTokenSource(Patience); // the client's own ends with the headers
        await EventLines.ReadAsync(stream, answer.Take, timeout.Token);
        return answer.Error ?? (answer.HasTokens ? "" : "no token came: the answer is empty or no event stream");
    }
}
