using Vllm.Models.Loading;
using Vllm.Text.Tokenization;

namespace Vllm.Tests;

/// <summary>Headers of small model files, spoilt. Files are opened as a user's are, by path.</summary>
public sealed class CheckpointHeaderTests : IDisposable
{
    const int MaxSeedBytes = 200_000;
    const int HeaderBytes = 8192;

    static readonly string[] GgufWords =
        ["general.alignment", "general.architecture", "llama", "split.count", "tokenizer.ggml.tokens", "\0\0\0\0", "\x8", "\x9", "GGUF"];

    static readonly string[] JsonWords =
    [
        "{", "}", "[", "]", "\"", ":", ",", "null", "\"dtype\":\"F32\",", "\"BF16\"", "\"shape\":[0],", "\"data_offsets\":[0,0],", "\"__metadata__\":{},", "\\u0000",
    ];

    readonly string _folder = Directory.CreateTempSubdirectory("vllm-fuzz").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void GgufHeader_IsTakenOrRefused() => Run("*.gguf", GgufWords, path =>
    {
        using GgufFile file = GgufFile.Open(path);
        foreach (object value in file.Metadata.Values) _ = value;
        _ = Tokenizer.FromGguf(file.Metadata).Encode("Hello");
    });

    [Fact]
    public void SafetensorsHeader_IsTakenOrRefused() => Run("*.safetensors", JsonWords, path =>
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach (CheckpointTensor tensor in file.Tensors.Values) _ = tensor.Data.Length;
    });

    void Run(string pattern, string[] words, Action<string> open)
    {
        List<byte[]> seeds = Directory.Exists(Fixtures.Root)
            ? [.. Directory.EnumerateFiles(Fixtures.Root, pattern, SearchOption.AllDirectories)
                .OrderBy(file => new FileInfo(file).Length).ThenBy(file => file, StringComparer.Ordinal)
                .Where(file => new FileInfo(file).Length is > 0 and <= MaxSeedBytes).Take(20).Select(File.ReadAllBytes)]
            : [];
        Assert.SkipWhen(seeds.Count == 0, "no small model files");
        string path = Path.Combine(_folder, "model" + pattern[1..]);
        Fuzzer.Run(new Mutator(seeds, words, HeaderBytes), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            open(path);
        },
        e => e is ModelLoadException or TokenizerLoadException, maxAllocatedBytes: 64 << 20);
    }
}
