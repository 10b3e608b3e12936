using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>Lines of text of which prompts of a wanted length are put together, the first lines the same in all: vLLM's
/// former data set <c>sonnet</c>.</summary>
/// <param name="InputLen">Most tokens of a prompt.</param>
/// <param name="OutputLen">Tokens to generate.</param>
/// <param name="PrefixLen">Tokens that all prompts share, about.</param>
sealed record SonnetFile(int InputLen, int OutputLen, int PrefixLen)
{
    const string Task = "Pick as many lines as you can from these poem lines:\n";

    /// <summary>A prompt that comes out too long is drawn again, this often for all.</summary>
    const int MaxDrawsPerPrompt = 100;

    public async Task<IReadOnlyList<BenchRequest>> SampleAsync(
        string file, PromptTokens tokens, int numPrompts, Random random)
    {
        string[] lines = [.. (await File.ReadAllLinesAsync(file)).Select(line => line + "\n")];
        if (lines.Length == 0) throw new UsageException($"--dataset-path: {file} has no lines");
        int numTaskTokens = (await tokens.EncodeAsync(Task)).Count;
        double tokensPerLine = (double)(await tokens.EncodeAsync(string.Concat(lines))).Count / lines.Length;
        if (InputLen <= numTaskTokens || PrefixLen > InputLen)
            throw new UsageException($"--sonnet-input-len must exceed {numTaskTokens} and the prefix");

        int numLines = Math.Max(1, (int)Math.Round((InputLen - numTaskTokens) / tokensPerLine));
        int numPrefixLines = (int)Math.Round((PrefixLen - numTaskTokens) / tokensPerLine);
        string[] prefix = [.. lines.Take(Math.Clamp(numPrefixLines, 0, numLines))];
        var requests = new List<BenchRequest>();
        for (int draw = 0; requests.Count < numPrompts; draw++)
        {
            if (draw == MaxDrawsPerPrompt * numPrompts)
                throw new UsageException($"--dataset-path: lines of {file} are too uneven for prompts of {InputLen}");
            string prompt = Task + string.Concat(prefix.Concat(random.GetItems(lines, numLines - prefix.Length)));
            IReadOnlyList<int> ids = await tokens.EncodeAsync(prompt);
            if (ids.Count <= InputLen) requests.Add(new(ids, OutputLen) { Text = prompt });
        }
        return requests;
    }
}
