using System.Text.Json;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>A JSON list of conversations as ShareGPT publishes them: the first message is the prompt, the length of the
/// second is the answer's.</summary>
static class ShareGptFile
{
    // vLLM's bounds of what is worth measuring.
    const int MinTokens = 4;
    const int MaxPromptTokens = 1024;
    const int MaxTotalTokens = 2048;

    /// <summary>Requests in random order; fewer than asked for when the file has no more.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="tokens">Counts tokens.</param>
    /// <param name="numPrompts">Most requests.</param>
    /// <param name="outputLen">Tokens to generate; null for the answer's length in the file.</param>
    /// <param name="random">Decides the order; null for the file's.</param>
    public static async Task<IReadOnlyList<BenchRequest>> SampleAsync(
        string file, PromptTokens tokens, int numPrompts, int? outputLen, Random? random)
    {
        using FileStream stream = File.OpenRead(file);
        using JsonDocument document = await ParseAsync(file, stream);
        JsonElement[] conversations = [.. document.RootElement.EnumerateArray()];
        random?.Shuffle(conversations);
        var requests = new List<BenchRequest>();
        foreach (JsonElement conversation in conversations)
        {
            if (requests.Count == numPrompts) break;
            if (await ReadAsync(conversation, tokens, outputLen) is { } request) requests.Add(request);
        }
        return requests.Count > 0
            ? requests
            : throw new UsageException($"--dataset-path: {file} has no conversation of a usable length");
    }

    static async Task<JsonDocument> ParseAsync(string file, FileStream stream)
    {
        try
        {
            JsonDocument document = await JsonDocument.ParseAsync(stream);
            if (document.RootElement.ValueKind == JsonValueKind.Array) return document;
            document.Dispose();
        }
        catch (JsonException e)
        {
            throw new UsageException($"--dataset-path: {file} is no JSON: {e.Message}");
        }
        throw new UsageException($"--dataset-path: {file} is no list of conversations");
    }

    /// <summary>Null when it is no conversation of two messages and a usable length.</summary>
    static async ValueTask<BenchRequest?> ReadAsync(JsonElement conversation, PromptTokens tokens, int? outputLen)
    {
        if (conversation.ValueKind != JsonValueKind.Object
            || !conversation.TryGetProperty("conversations", out JsonElement messages)
            || messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() < 2
            || Text(messages[0]) is not { } prompt || Text(messages[1]) is not { } answer)
        {
            return null;
        }
        IReadOnlyList<int> ids = await tokens.EncodeAsync(prompt);
        int numOutputTokens = outputLen ?? (await tokens.EncodeAsync(answer)).Count;
        bool isUsable = ids.Count is >= MinTokens and <= MaxPromptTokens
            && (outputLen is not null || numOutputTokens >= MinTokens)
            && ids.Count + numOutputTokens <= MaxTotalTokens;
        return isUsable ? new BenchRequest(ids, numOutputTokens) { Text = prompt } : null;
    }

    static string? Text(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object && message.TryGetProperty("value", out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
