using System.Buffers.Binary;
using System.Text;
using Vllm.Kernels.Formats;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class SafetensorsFileTests
{
    const string Sound = """
        {"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
         "b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}
        """;
    const string Four = """{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""";

    public static byte[] Bytes(string header, int numDataBytes, long? headerSizeBytes = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + numDataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, headerSizeBytes ?? json.Length);
        json.CopyTo(file, 8);
        return file;
    }

    public static TheoryData<string> FixtureFiles() =>
    [
        .. Fixtures.Folders("models").Concat(Fixtures.Folders("gguf", "models"))
            .SelectMany(folder => Directory.GetFiles(folder, "*.safetensors"))
            .Select(file => Path.GetRelativePath(Fixtures.Root, file)).Order(StringComparer.Ordinal),
    ];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(FixtureFiles))]
    public void Open_ReadsFixture(string relativePath)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Fixtures.Root, relativePath));

        Assert.NotEmpty(file.Tensors);
        foreach (CheckpointTensor tensor in file.Tensors.Values.Where(tensor => Dequantizer.IsSupported(tensor.Type)))
            Assert.True(tensor.ToArray().All(float.IsFinite), tensor.Name);
    }

    [Fact]
    public void Open_ReadsTensors()
    {
        using var folder = new TempFolder();
        byte[] bytes = Bytes(Sound, 10);
        BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(bytes.Length - 6), 1.5f);
        bytes[^1] = 0xC0; // -2 in bf16

        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("sound.safetensors", bytes));

        Assert.Equal([0f, 1.5f], file.Tensors["a"].ToArray());
        Assert.Equal((2, 1), (file.Tensors["a"].NumRows, file.Tensors["a"].RowLength));
        Assert.Equal([-2f], file.Tensors["b"].ToArray());
    }

    [Theory]
    [InlineData("", 0, null, "header")]
    [InlineData(Sound, 10, long.MaxValue, "header")]
    [InlineData(Sound, 10, -1L, "header")]
    [InlineData(Sound, 10, 20L, "JSON")]
    [InlineData("[]", 0, null, "JSON")]
    [InlineData("""{"a":1}""", 0, null, "a")]
    [InlineData("""{"a":{}}""", 0, null, "a.dtype")]
    [InlineData("""{"a":{"dtype":"F33","shape":[],"data_offsets":[0,4]}}""", 4, null, "a.dtype")]
    [InlineData("""{"a":{"dtype":"F32","shape":"x","data_offsets":[0,4]}}""", 4, null, "a.shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, null, "a.shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}""", 4, null, "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, null, "a.shape")]
    [InlineData("""{"a":{"dtype":"I8","shape":[2147483647,2147483647,4],"data_offsets":[0,4]}}""", 4, null, "a.shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, null, "a")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, null, "a.data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}""", 4, null, "a.data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, null, "a.data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e99]}}""", 4, null, "a.data_offsets")]
    [InlineData("{\"a\":" + Four + ",\"b\":" + Four + "}", 4, null, "b")]
    [InlineData("{\"a\":" + Four + ",\"a\":" + Four + "}", 4, null, "a")]
    [InlineData("{\"a\":" + Four + "}", 5, null, "data")]
    public void Open_NamesDefect(string header, int numDataBytes, long? headerSizeBytes, string subject)
    {
        using var folder = new TempFolder();
        byte[] bytes = header.Length == 0 ? [1, 2, 3] : Bytes(header, numDataBytes, headerSizeBytes);
        string path = folder.Write("broken.safetensors", bytes);

        ModelLoadException? refusal = Bounded.Run(() => SafetensorsFile.Open(path).Dispose());

        Assert.NotNull(refusal);
        Assert.Equal((path, subject), (refusal.File, refusal.Subject));
    }

    [Fact]
    public void Open_RefusesDeepNesting()
    {
        using var folder = new TempFolder();
        string header = string.Concat(Enumerable.Repeat("""{"a":""", 100_000));
        string path = folder.Write("deep.safetensors", Bytes(header, 0));

        ModelLoadException? refusal = Bounded.Run(() => SafetensorsFile.Open(path).Dispose());

        Assert.Equal("JSON", refusal?.Subject);
    }
}
