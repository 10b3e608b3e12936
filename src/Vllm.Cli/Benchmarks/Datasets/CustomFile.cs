using System.Text.Json;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>A file with a JSON object per line: <c>{"prompt": "...", "output_tokens": 100}</c>, the latter
/// optional.</summary>
static class CustomFile
{
    /// <param name="file">Its path.</param>
    /// <param name="tokens">Counts tokens; null: the server's counts are taken.</param>
    /// <param name="numPrompts">Most requests.</param>
    /// <param name="outputLen">Tokens to generate; -1: as each line says.</param>
    /// <param name="random">Decides the order; null for the file's.</param>
    public static async Task<IReadOnlyList<BenchRequest>> SampleAsync(
        string file, PromptTokens? tokens, int numPrompts, int outputLen, Random? random)
    {
        string[] lines = await File.ReadAllLinesAsync(file);
        (string Line, int Number)[] entries =
            [.. lines.Select((line, i) => (line, i + 1)).Where(entry => !string.IsNullOrWhiteSpace(entry.line))];
        if (entries.Length == 0) throw new UsageException($"--dataset-path: {file} has no lines");
        random?.Shuffle(entries);
        var requests = new List<BenchRequest>();
        foreach ((string line, int number) in entries.Take(numPrompts))
        {
            (string prompt, int? numOutputTokens) = Read(line, $"--dataset-path: {file}, line {number}");
            int length = outputLen != -1 ? outputLen
                : numOutputTokens ?? throw new UsageException($"--dataset-path: {file}, line {number} has no output_tokens");
            requests.Add(new(tokens is null ? [] : await tokens.EncodeAsync(prompt), length) { Text = prompt });
        }
        return requests;
    }

    static (string Prompt, int? NumOutputTokens) Read(string line, string place)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("prompt", out JsonElement prompt)
                || prompt.ValueKind != JsonValueKind.String)
            {
                throw new UsageException($"{place} has no prompt");
            }
            int? numOutputTokens = document.RootElement.TryGetProperty("output_tokens", out JsonElement tokens)
                && tokens.ValueKind == JsonValueKind.Number && tokens.TryGetInt32(out int number) && number > 0
                ? number
                : null;
            return (prompt.GetString()!, numOutputTokens);
        }
        catch (JsonException e)
        {
            throw new UsageException($"{place} is no JSON: {e.Message}");
        }
    }
}
