using System.Text.Json;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>What a benchmark needs of a chunk of a streamed completion or chat completion.</summary>
ref struct StreamChunk
{
    /// <summary>Whether it stands for generated tokens: it has a choice, and not only the role of a message that
    /// begins.</summary>
    public bool HasToken { get; private set; }

    public int? PromptTokens { get; private set; }

    public int? CompletionTokens { get; private set; }

    /// <summary>The server's message when it gave up.</summary>
    public string? Error { get; private set; }

    /// <summary>Reads a chunk and appends its text.</summary>
    /// <exception cref="JsonException">It is no JSON object.</exception>
    public static StreamChunk Read(ReadOnlySpan<byte> json, Utf8Text text)
    {
        var chunk = new StreamChunk();
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new JsonException("no object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("choices"u8)) chunk.ReadChoices(ref reader, text);
            else if (reader.ValueTextEquals("usage"u8)) chunk.ReadUsage(ref reader);
            else if (reader.ValueTextEquals("error"u8)) chunk.ReadError(ref reader);
            else SkipValue(ref reader);
        }
        return chunk;
    }

    void ReadChoices(ref Utf8JsonReader reader, Utf8Text text)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
        {
            bool isRoleOnly = false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("text"u8)) Append(ref reader, text);
                else if (reader.ValueTextEquals("delta"u8)) isRoleOnly = ReadDelta(ref reader, text);
                else SkipValue(ref reader);
            }
            HasToken |= !isRoleOnly;
        }
    }

    /// <summary>Returns whether it has a role and nothing else.</summary>
    static bool ReadDelta(ref Utf8JsonReader reader, Utf8Text text)
    {
        bool hasRole = false, hasMore = false;
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("role"u8))
            {
                hasRole = true;
                SkipValue(ref reader);
            }
            else if (reader.ValueTextEquals("content"u8))
            {
                hasMore |= Append(ref reader, text);
            }
            else
            {
                reader.Read();
                hasMore |= reader.TokenType is not (JsonTokenType.Null or JsonTokenType.False)
                    && !(reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(""u8));
                reader.Skip();
            }
        }
        return hasRole && !hasMore;
    }

    void ReadUsage(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) return;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isPrompt = reader.ValueTextEquals("prompt_tokens"u8);
            bool isCompletion = reader.ValueTextEquals("completion_tokens"u8);
            reader.Read();
            if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int count))
            {
                if (isPrompt) PromptTokens = count;
                if (isCompletion) CompletionTokens = count;
            }
            reader.Skip();
        }
    }

    void ReadError(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null) return;
        using JsonDocument error = JsonDocument.ParseValue(ref reader);
        Error = ErrorBody.MessageOf(error.RootElement);
    }

    static bool Append(ref Utf8JsonReader reader, Utf8Text text)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String) return text.Append(ref reader) > 0;
        reader.Skip();
        return false;
    }

    static void SkipValue(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }
}

/// <summary>Text that grows by JSON strings, without a string for each.</summary>
sealed class Utf8Text
{
    byte[] _bytes = new byte[1024];
    int _length;

    public int Append(ref Utf8JsonReader reader)
    {
        int max = reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length;
        if (_bytes.Length - _length < max) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _length + max));
        int count = reader.CopyString(_bytes.AsSpan(_length));
        _length += count;
        return count;
    }

    public override string ToString() => System.Text.Encoding.UTF8.GetString(_bytes, 0, _length);
}

/// <summary>The message in a server's error.</summary>
static class ErrorBody
{
    /// <summary>Of a body: OpenAI's form, FastAPI's, or the text as it is.</summary>
    public static string MessageIn(string body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return body;
            if (root.TryGetProperty("error", out JsonElement error)) return MessageOf(error);
            return root.TryGetProperty("message", out JsonElement message) ? $"{message}" : body;
        }
        catch (JsonException)
        {
            return body;
        }
    }

    public static string MessageOf(JsonElement error) =>
        error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out JsonElement message)
            ? $"{message}"
            : $"{error}";
}
