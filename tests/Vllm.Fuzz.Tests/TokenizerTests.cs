using Vllm.Text.Tokenization;
using Vllm.Text.Tokenization.Json;

namespace Vllm.Tests;

/// <summary>Small tokenizer.json files, spoilt, loaded and used.</summary>
public sealed class TokenizerTests
{
    const int MaxSeedBytes = 40_000;
    const string Sample = "The quick brown fox — 12,345 naïve <s> 😀\n\n  end";

    static readonly string[] Words =
    [
        "{", "}", "[", "]", "\"", ":", ",", "null", "true", "false", "\\u0000", "\\ud800", "\"type\":\"BPE\",", "\"type\":\"Sequence\",",
        "\"pattern\":{\"Regex\":\"(a+)+$\"},", "\"Regex\"", "(?:", "[^\\\\p{L}]", "{9999}", "(?=", "\\\\p{", "*", "+", "Ġ", "\"id\":0,", "\"content\":\"\",",
    ];

    [Fact]
    public void TokenizerJson_LoadsOrIsRefused()
    {
        List<byte[]> seeds = [.. Files().Where(file => new FileInfo(file).Length <= MaxSeedBytes).Take(40).Select(File.ReadAllBytes)];
        Assert.SkipWhen(seeds.Count == 0, "no small tokenizer.json");
        Fuzzer.Run(new Mutator(seeds, Words), json =>
        {
            Tokenizer tokenizer = TokenizerJson.Read(json, "tokenizer.json");
            int[] ids = tokenizer.Encode(Sample);
            _ = tokenizer.Decode(ids);
            _ = tokenizer.Decode([0, -1, int.MaxValue, tokenizer.VocabSize]);
        },
        e => e is TokenizerLoadException, maxAllocatedBytes: 256 << 20);
    }

    static IEnumerable<string> Files() => Directory.Exists(Fixtures.Root)
        ? Directory.EnumerateFiles(Fixtures.Root, "tokenizer.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        : [];
}
