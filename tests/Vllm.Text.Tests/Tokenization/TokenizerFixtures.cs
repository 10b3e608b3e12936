using System.IO.Compression;
using System.Text.Json;
using Vllm.Tests;
using Vllm.Text.Tokenization;
using Vllm.Text.Tokenization.Json;

namespace Vllm.Text.Tests.Tokenization;

/// <summary>The recorded tokenizers: where they are, what kind they are, and how to load them.</summary>
static class TokenizerFixtures
{
    const string Family = "tokenizers";

    /// <summary>Folders of the given kinds.</summary>
    public static TheoryData<string> FoldersOf(params string[] kinds)
    {
        var folders = new TheoryData<string>();
        foreach (string path in Fixtures.Folders(Family))
            if (File.Exists(Path.Combine(path, "meta.json")) && kinds.Contains(Kind(Path.GetFileName(path))))
                folders.Add(Path.GetFileName(path));
        return folders;
    }

    public static string Kind(string folder) => Meta(folder).GetProperty("kind").GetString()!;

    public static JsonElement Meta(string folder) =>
        JsonDocument.Parse(File.ReadAllText(Fixtures.FindFile(Family, folder, "meta.json"))).RootElement;

    public static IEnumerable<JsonElement> Cases(string folder, string file = "cases.jsonl.gz") =>
        Fixtures.Lines(Path.Combine(Fixtures.Family(Family), folder, file));

    public static Tokenizer Load(string folder) =>
        Kind(folder).StartsWith("gguf", StringComparison.Ordinal) ? Tokenizer.FromGguf(GgufMetadata(folder))
            : LoadJson(folder);

    public static Dictionary<string, object> GgufMetadata(string folder)
    {
        JsonElement meta = Meta(folder);
        if (meta.TryGetProperty("gguf_path", out JsonElement path))
            return GgufMetadataReader.Read(File.OpenRead(Path.Combine(Fixtures.RepositoryRoot, path.GetString()!)));
        return GgufMetadataReader.Read(Open(Fixtures.FindFile(Family, folder, "vocab.gguf.gz")));
    }

    /// <summary>The model that the repository carries: there without any fixtures.</summary>
    public static Dictionary<string, object> EmbeddedModelMetadata() => GgufMetadataReader.Read(
        File.OpenRead(Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf")));

    static Tokenizer LoadJson(string folder)
    {
        string path = Fixtures.FindFile(Family, folder, "tokenizer.json");
        if (File.Exists(path)) return Tokenizer.FromFile(path);
        return TokenizerJson.Read(JsonBytes(folder), path);
    }

    public static byte[] JsonBytes(string folder)
    {
        string path = Fixtures.FindFile(Family, folder, "tokenizer.json");
        if (File.Exists(path)) return File.ReadAllBytes(path);
        var memory = new MemoryStream();
        using Stream stream = Open(Fixtures.FindFile(Family, folder, "tokenizer.json.gz"));
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    /// <summary>The whole file in memory: readers that take one value at a time are slow on a gzip stream.</summary>
    static MemoryStream Open(string path)
    {
        var memory = new MemoryStream();
        using var zipped = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        zipped.CopyTo(memory);
        memory.Position = 0;
        return memory;
    }

    public static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];

    public static bool IsNull(this JsonElement element, string property) =>
        !element.TryGetProperty(property, out JsonElement value) || value.ValueKind == JsonValueKind.Null;

    /// <summary>Fails with the count and the first failures, one line each.</summary>
    public static void AssertNone(List<string> failures, int numCases)
    {
        if (failures.Count > 0)
            Assert.Fail($"{failures.Count} of {numCases} cases fail:\n" + string.Join('\n', failures.Take(40)));
    }
}
