using System.Text.Json;
using Vllm.Kernels.Formats;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class GgufFileTests
{
    static string EmbeddedModel =>
        Directory.GetFiles(Path.Combine(Fixtures.RepositoryRoot, "models"), "*.gguf").Single();

    public static TheoryData<string> Models() =>
        [.. Fixtures.Folders("gguf", "models").Select(folder => Path.GetFileName(folder))];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public void Open_ListsTensorsOfAllParts(string name)
    {
        string folder = Path.Combine(Fixtures.Family("gguf"), "models", name);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "case.json")));
        JsonElement record = document.RootElement;

        using GgufFile file = GgufFile.Open(Path.Combine(folder, record.GetProperty("file").GetString()!));

        Assert.Equal(record.GetProperty("architecture").GetString(), file.Metadata["general.architecture"]);
        foreach (JsonProperty type in record.GetProperty("tensor_types").EnumerateObject())
            Assert.Equal(type.Value.GetInt32(), file.Tensors.Values.Count(tensor => $"{tensor.Type}" == type.Name));
        foreach (CheckpointTensor tensor in file.Tensors.Values.Where(tensor => Dequantizer.IsSupported(tensor.Type)))
            Assert.True(tensor.ToArray().All(float.IsFinite), tensor.Name);
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
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Metadata_HasEveryValueType(uint version)
    {
        using var folder = new TempFolder();
        string path = folder.Write("values.gguf", new GgufBuilder(version)
            .Entry("uint8", 0, writer => writer.Write((byte)200))
            .Entry("int8", 1, writer => writer.Write((sbyte)-2))
            .Entry("uint16", 2, writer => writer.Write((ushort)60_000))
            .Entry("int16", 3, writer => writer.Write((short)-3))
            .UInt32("uint32", 4_000_000_000)
            .Entry("int32", 5, writer => writer.Write(-4))
            .Float32("float32", 0.5f)
            .Entry("bool", 7, writer => writer.Write((byte)1))
            .Text("string", "Grüße")
            .Texts("strings", "a", "", "b")
            .Entry("int16s", 9, writer => { writer.Write(3u); writer.Write(2L); writer.Write(0xFFF9_0007); })
            .Entry("bools", 9, writer => { writer.Write(7u); writer.Write(2L); writer.Write((short)0x0001); })
            .Entry("nested", 9, writer =>
            {
                writer.Write(9u);
                writer.Write(2L);
                writer.Write(4u); writer.Write(1L); writer.Write(5u);
                writer.Write(8u); writer.Write(0L);
            })
            .Entry("uint64", 10, writer => writer.Write(ulong.MaxValue))
            .Entry("int64", 11, writer => writer.Write(-5L))
            .Entry("float64", 12, writer => writer.Write(0.1))
            .Build());

        using GgufFile file = GgufFile.Open(path);

        Assert.Equal<object>(
            [
                (byte)200, (sbyte)-2, (ushort)60_000, (short)-3, 4_000_000_000u, -4, 0.5f, true, "Grüße",
                new[] { "a", "", "b" }, new short[] { 7, -7 }, new[] { true, false },
                new object[] { new[] { 5u }, Array.Empty<string>() }, ulong.MaxValue, -5L, 0.1,
            ],
            file.Metadata.Values);
        Assert.Equal(16, file.Metadata.Count);
        Assert.False(file.Metadata.ContainsKey("other"));
    }

    [Fact]
    public void Metadata_IsRefusedAfterDispose()
    {
        GgufFile file = GgufFile.Open(EmbeddedModel);
        file.Dispose();

        Assert.Throws<ObjectDisposedException>(() => file.Metadata["tokenizer.ggml.tokens"]);
        Assert.Throws<ObjectDisposedException>(() => file.Tensors["token_embd.weight"].Row(0).Length);
    }
}
