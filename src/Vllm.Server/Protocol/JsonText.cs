using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Vllm.Server.Protocol;

/// <summary>How the server reads and writes JSON text.</summary>
static class JsonText
{
    /// <summary>Text is sent as UTF-8, not as escapes.</summary>
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>The string of a JSON value; a lone surrogate, which no tokenizer can read, is the caller's
    /// mistake.</summary>
    public static string Of(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw RequestException.BadRequest("A string of the request holds half of a surrogate pair.");
        }
    }

    /// <summary>Sends a body that <paramref name="write"/> produces.</summary>
    public static async Task Respond<T>(
        HttpContext context, T value, Action<Utf8JsonWriter, T> write, int status = StatusCodes.Status200OK)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, WriterOptions)) write(json, value);
        HttpResponse response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = buffer.WrittenCount;
        await response.Body.WriteAsync(buffer.WrittenMemory, context.RequestAborted);
    }

    public static Task Respond(HttpContext context, ApiError error) =>
        Respond(context, error, static (json, error) => error.WriteTo(json), error.Status);

    /// <summary>The web framework's error form: unknown routes, wrong methods, unreadable bodies.</summary>
    public static Task RespondDetail(HttpContext context, int status, string detail) =>
        Respond(context, detail, static (json, detail) =>
        {
            json.WriteStartObject();
            json.WriteString("detail", detail);
            json.WriteEndObject();
        }, status);
}
