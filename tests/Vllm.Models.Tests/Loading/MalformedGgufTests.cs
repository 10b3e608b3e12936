using System.Text.Json;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class MalformedGgufTests
{
    static string Folder => Path.Combine(Fixtures.Family("gguf"), "malformed");

    public static TheoryData<string, string, string> Cases()
    {
        string list = Path.Combine(Folder, "cases.json");
        if (!File.Exists(list)) return [];
        var cases = new TheoryData<string, string, string>();
        foreach (JsonElement record in JsonDocument.Parse(File.ReadAllText(list)).RootElement.EnumerateArray())
            cases.Add(Text(record, "file"), Text(record, "expect"), Text(record, "why"));
        return cases;

        static string Text(JsonElement record, string key) => record.GetProperty(key).GetString()!;
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Open_RefusesOrReads(string file, string expect, string why)
    {
        string path = Path.Combine(Folder, file);

        ModelLoadException? container = Bounded.Run(() => GgufFile.Open(path).Dispose());
        ModelLoadException? model = Bounded.Run(() =>
        {
            using Checkpoint checkpoint = Checkpoint.Open(path);
            LlamaWeights.ReadAll(checkpoint);
        });

        if (expect == "container") Assert.True(container is not null, why);
        if (expect is "container" or "model") Assert.True(model is not null, why);
        if (expect == "accept") Assert.True(model is null, $"{why}: {model?.Message}");
        if (model is not null) Assert.StartsWith(path, model.Message, StringComparison.Ordinal);
    }
}
