using System.Text.Json;
using Vllm.Cli.CommandLine;
using Vllm.Text.Tokenization;

namespace Vllm.Cli.Benchmarks;

/// <summary>One request of a benchmark.</summary>
sealed record BenchRequest(IReadOnlyList<int> PromptTokenIds, int NumOutputTokens);

/// <summary>A JSON list of conversations as ShareGPT publishes them: the first message is the prompt, the length of the
/// second is the answer's.</summary>
static class ShareGptFile
{
    // vLLM's bounds of what is worth measuring.
    const int MinTokens = 4;
    const int MaxPromptTokens = 1024;
    const int MaxTotalTokens = 2048;

    /// <summary>Requests in random order; conversations repeat when the file has too few.</summary>
    public static IReadOnlyList<BenchRequest> Sample(
        string file, Tokenizer tokenizer, int numPrompts, int? outputLen, Random random)
    {
        using FileStream stream = File.OpenRead(file);
        using JsonDocument document = JsonDocument.Parse(stream);
        JsonElement[] conversations = [.. document.RootElement.EnumerateArray()];
        random.Shuffle(conversations);
        var requests = new List<BenchRequest>();
        foreach (JsonElement conversation in conversations)
        {
            if (requests.Count == numPrompts) break;
            if (Read(conversation, tokenizer, outputLen) is { } request) requests.Add(request);
        }
        if (requests.Count == 0)
            throw new UsageException($"--dataset-path: {file} has no conversation of a usable length");
        for (int i = 0; requests.Count < numPrompts; i++) requests.Add(requests[i]);
        return requests;
    }

    static BenchRequest? Read(JsonElement conversation, Tokenizer tokenizer, int? outputLen)
    {
        JsonElement messages = conversation.GetProperty("conversations");
        if (messages.GetArrayLength() < 2) return null;
        IReadOnlyList<int> prompt = Encode(messages[0]);
        int numOutputTokens = outputLen ?? Encode(messages[1]).Count;
        bool isUsable = prompt.Count is >= MinTokens and <= MaxPromptTokens
            && (outputLen is not null || numOutputTokens >= MinTokens)
            && prompt.Count + numOutputTokens <= MaxTotalTokens;
        return isUsable ? new BenchRequest(prompt, numOutputTokens) : null;

        IReadOnlyList<int> Encode(JsonElement message) => tokenizer.Encode(message.GetProperty("value").GetString()!);
    }
}
