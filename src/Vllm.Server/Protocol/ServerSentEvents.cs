using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Vllm.Server.Protocol;

/// <summary>Writes a stream of <c>data: {json}</c> events. Sending waits while the client is slow: Kestrel buffers 64 KiB,
/// then the loop that reads the engine's outputs stands still, and the engine joins them.</summary>
sealed class ServerSentEvents : IAsyncDisposable
{
    readonly PipeWriter _body;
    readonly CancellationToken _aborted;
    readonly Utf8JsonWriter _json;

    public ServerSentEvents(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        _body = context.Response.BodyWriter;
        _aborted = context.RequestAborted;
        _json = new Utf8JsonWriter(_body, JsonText.WriterOptions);
    }

    /// <summary>Starts an event; its JSON is written to the result.</summary>
    public Utf8JsonWriter Begin()
    {
        _body.Write("data: "u8);
        _json.Reset(_body);
        return _json;
    }

    /// <summary>Ends the event and sends it.</summary>
    public async ValueTask Send()
    {
        _json.Flush();
        _body.Write("\n\n"u8);
        await _body.FlushAsync(_aborted);
    }

    public async ValueTask SendError(ApiError error)
    {
        error.WriteTo(Begin());
        await Send();
    }

    /// <summary>A comment that keeps proxies from closing an idle connection.</summary>
    public async ValueTask SendKeepAlive()
    {
        _body.Write(": keep-alive\n\n"u8);
        await _body.FlushAsync(_aborted);
    }

    /// <summary>The end mark, which follows errors too.</summary>
    public async ValueTask SendDone()
    {
        _body.Write("data: [DONE]\n\n"u8);
        await _body.FlushAsync(_aborted);
    }

    /// <summary>The same items; while none comes for <paramref name="interval"/>, keep-alive comments are sent.</summary>
    public IAsyncEnumerable<T> KeepAlive<T>(IAsyncEnumerable<T> items, TimeSpan? interval) =>
        interval is { } time ? SendWhileIdle(items, time) : items;

    async IAsyncEnumerable<T> SendWhileIdle<T>(IAsyncEnumerable<T> items, TimeSpan interval)
    {
        await using IAsyncEnumerator<T> enumerator = items.GetAsyncEnumerator(_aborted);
        while (true)
        {
            Task<bool> next = enumerator.MoveNextAsync().AsTask();
            while (await Task.WhenAny(next, Task.Delay(interval, _aborted)) != next) await SendKeepAlive();
            if (!await next) yield break;
            yield return enumerator.Current;
        }
    }

    public ValueTask DisposeAsync() => _json.DisposeAsync();
}
