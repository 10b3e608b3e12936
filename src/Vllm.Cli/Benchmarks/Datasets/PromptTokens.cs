using Vllm.Models.Loading;
using Vllm.Text.Tokenization;

namespace Vllm.Cli.Benchmarks.Datasets;

/// <summary>Tokenizes prompts where a tokenizer is: in a file here, or behind a server.</summary>
abstract class PromptTokens
{
    const int MaxRounds = 10; // vLLM's

    public abstract ValueTask<IReadOnlyList<int>> EncodeAsync(string text);

    public abstract ValueTask<string> DecodeAsync(IReadOnlyList<int> ids);

    /// <summary>A text of as many tokens as the ids: text of random tokens rarely has them when it is read again, so it
    /// is cut or lengthened until it does, or a few rounds have passed.</summary>
    public async ValueTask<BenchRequest> ToTextAsync(BenchRequest request, Random random)
    {
        int length = request.PromptTokenIds.Count;
        IReadOnlyList<int> ids = request.PromptTokenIds;
        for (int round = 0; ; round++)
        {
            string text = await DecodeAsync(ids);
            IReadOnlyList<int> again = await EncodeAsync(text);
            if (again.Count == length || round == MaxRounds)
                return request with { Text = text, PromptTokenIds = again };
            ids = again.Count > length
                ? [.. again.Take(length)]
                : [.. again, .. RandomPrompts.Next(random, length - again.Count)];
        }
    }
}

/// <summary>A tokenizer in this process.</summary>
sealed class LocalPromptTokens(Tokenizer tokenizer) : PromptTokens
{
    /// <summary>The tokenizer of a GGUF file, a model's folder or a tokenizer.json.</summary>
    public static LocalPromptTokens Open(string path)
    {
        if (path.EndsWith(".json", StringComparison.Ordinal)) return new(Tokenizer.FromFile(path));
        string json = Path.Combine(path, "tokenizer.json");
        if (File.Exists(json)) return new(Tokenizer.FromFile(json));
        using Checkpoint checkpoint = Checkpoint.Open(path);
        return checkpoint.GgufMetadata is { } metadata
            ? new(Tokenizer.FromGguf(metadata))
            : throw new FileNotFoundException($"{path} has no tokenizer.json");
    }

    public override ValueTask<IReadOnlyList<int>> EncodeAsync(string text) => new(tokenizer.Encode(text, false));

    public override ValueTask<string> DecodeAsync(IReadOnlyList<int> ids) => new(tokenizer.Decode([.. ids]));
}
