using System.Text.Json;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class GgufFileTests
{
    static string EmbeddedModel => Directory.GetFiles(Path.Combine(Fixtures.RepositoryRoot, "models"), "*.gguf").Single();

    public static TheoryData<string> Models() => [.. Fixtures.Folders("gguf", "models").Select(folder => Path.GetFileName(folder))];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public void Open_ListsTensorsOfAllParts(string name)
    {
        string folder = Path.Combine(Fixtures.Family("gguf"), "models", name);
        using JsonDocument record = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));

        using GgufFile file = GgufFile.Open(Path.Combine(folder, record.RootElement.GetProperty("file").GetString()!));

        Assert.Equal(record.RootElement.GetProperty("architecture").GetString(), file.Metadata["general.architecture"]);
        Assert.Equal(
            record.RootElement.GetProperty("tensor_types").EnumerateObject().Select(type => (type.Name, type.Value.GetInt32())).Order(),
            file.Tensors.Values.GroupBy(tensor => tensor.Type).Select(group => (group.Key.ToString(), group.Count())).Order());
    }

    [Fact]
    public void Metadata_DecodesLargeArrays()
    {
        using GgufFile file = GgufFile.Open(EmbeddedModel);

        var tokens = Assert.IsType<string[]>(file.Metadata["tokenizer.ggml.tokens"]);
        Assert.Equal("<|endoftext|>", tokens[0]);
        Assert.Equal(file.Tensors["token_embd.weight"].Shape[0], tokens.Length);
        Assert.Same(tokens, file.Metadata["tokenizer.ggml.tokens"]);
        Assert.IsType<int[]>(file.Metadata["tokenizer.ggml.token_type"]);
        Assert.IsType<uint>(file.Metadata["llama.block_count"]);
        Assert.IsType<float>(file.Metadata["llama.rope.freq_base"]);
        Assert.Equal(false, file.Metadata["tokenizer.ggml.add_bos_token"]);
    }
}
