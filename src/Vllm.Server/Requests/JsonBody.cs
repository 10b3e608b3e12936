using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>Reads a request body as vLLM does: JSON in any Unicode encoding, NaN and Infinity included.</summary>
static class JsonBody
{
    /// <summary>Nesting that Python's parser still takes.</summary>
    const int MaxDepth = 990;

    static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The body as a JSON object.</summary>
    /// <exception cref="RequestException">Not JSON, or no object.</exception>
    /// <exception cref="UnreadableBodyException">Not text, or nested too deeply.</exception>
    public static async Task<JsonElement> Read(HttpRequest request)
    {
        if (!IsJsonMediaType(request.ContentType))
        {
            throw new RequestException(new ApiError(StatusCodes.Status400BadRequest, "Bad Request",
                "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"));
        }
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
        return ParseObject(body.GetBuffer().AsMemory(0, (int)body.Length));
    }

    public static JsonElement ParseObject(ReadOnlyMemory<byte> body)
    {
        JsonElement root = Parse(body);
        if (root.ValueKind == JsonValueKind.Object) return root;

        var errors = new ValidationErrors();
        if (root.ValueKind == JsonValueKind.Null) errors.Add("missing", "body", "Field required", root);
        else errors.Add("model_attributes_type", "body",
            "Input should be a valid dictionary or object to extract fields from", root);
        throw new RequestException(errors.ToApiError());
    }

    static bool IsJsonMediaType(string? contentType) =>
        contentType?.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase) == true;

    static JsonElement Parse(ReadOnlyMemory<byte> body)
    {
        if (body.IsEmpty)
        {
            var errors = new ValidationErrors();
            errors.Add("missing", "body", "Field required", "None");
            throw new RequestException(errors.ToApiError());
        }
        Encoding encoding = DetectEncoding(body.Span);
        bool isUtf8 = encoding == StrictUtf8 && Utf8.IsValid(body.Span);
        if (isUtf8 && TryParse(body, out JsonElement element)) return element;

        string text = Decode(encoding, body.Span);
        // Strict parsing failed: either the text is wrong, and the scan says where, or it holds NaN or Infinity, which
        // come back as strings.
        text = JsonSyntax.Check(text, MaxDepth);
        if (TryParse(Encoding.UTF8.GetBytes(text), out element)) return element;
        throw new UnreadableBodyException();
    }

    /// <summary>JSON inside a string of a request.</summary>
    public static JsonElement ParseText(string text) => Parse(Encoding.UTF8.GetBytes(text));

    static bool TryParse(ReadOnlyMemory<byte> utf8, out JsonElement element)
    {
        element = default;
        try
        {
            utf8 = LoneSurrogates.ReplaceInNames(utf8, MaxDepth);
            element = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth }).RootElement;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    static string Decode(Encoding encoding, ReadOnlySpan<byte> body)
    {
        try
        {
            return encoding.GetString(body).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException)
        {
            throw new UnreadableBodyException();
        }
    }

    /// <summary>By byte order mark, else by where the zero bytes of the first two characters are (both ASCII in
    /// JSON).</summary>
    static Encoding DetectEncoding(ReadOnlySpan<byte> body)
    {
        byte At(ReadOnlySpan<byte> bytes, int index) => index < bytes.Length ? bytes[index] : (byte)1;
        (byte a, byte b, byte c, byte d) = (At(body, 0), At(body, 1), At(body, 2), At(body, 3));
        return (a, b, c, d) switch
        {
            (0, 0, 0xFE, 0xFF) or (0, 0, 0, not 0) => new UTF32Encoding(true, true, true),
            (0xFF, 0xFE, 0, 0) or (not 0, 0, 0, 0) => new UTF32Encoding(false, true, true),
            (0xFE, 0xFF, _, _) or (0, not 0, _, _) => new UnicodeEncoding(true, true, true),
            (0xFF, 0xFE, _, _) or (not 0, 0, _, _) => new UnicodeEncoding(false, true, true),
            _ => StrictUtf8,
        };
    }
}

/// <summary>A body that is no text at all; answered in the web framework's form.</summary>
sealed class UnreadableBodyException : Exception;
