using System.Text.Json.Nodes;
using Vllm.Kernels.Formats;
using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class GgufCheckpointTests
{
    public static TheoryData<string> Models() => GgufFileTests.Models();

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public void Open_ReadsTheConfigOfTheHuggingFaceModel(string name)
    {
        string folder = Path.Combine(Fixtures.Family("gguf"), "models", name);
        JsonNode record = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!;
        using Checkpoint checkpoint = OpenOrSkip(Path.Combine(folder, (string)record["file"]!));
        JsonNode reference = record["hf_config"]!;
        reference["architectures"] = new JsonArray((string)record["hf_class"]!);
        reference["model_type"] = checkpoint.Config.ModelType;
        using var temp = new TempFolder();

        ModelConfig expected = HfModelConfig.Read(ConfigObject.Read(temp.Write("config.json", reference.ToJsonString())));

        // Mistral's files are written as llama: the same computation under another name.
        Assert.Equivalent(expected with { Architecture = checkpoint.Config.Architecture }, checkpoint.Config, strict: true);
        if (checkpoint.Tensors.All(tensor => Dequantizer.IsSupported(tensor.Type))) LlamaWeights.ReadAll(checkpoint);
    }

    [Fact]
    public void Tensors_HaveRowsOfHeadsInHalves()
    {
        using var folder = new TempFolder();
        string path = folder.Write("model.gguf", GgufBuilder.Llama().Tensor("blk.0.attn_q.bias", GgmlType.F32, 4).Build());
        using GgufFile file = GgufFile.Open(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);

        int[] order = [0, 2, 1, 3];
        int[] rows = [.. order.Select(row => checkpoint.Get("model.layers.0.self_attn.q_proj.weight", 4, 4).Rows.FileRow(row))];

        // Heads of two have one pair, which both orders write the same way; heads of four do not.
        Assert.Equal([0, 2, 1, 3], rows);
        Assert.Equal([0, 2, 1, 3, 4, 6, 5, 7], Enumerable.Range(0, 8).Select(new RowMap(4).FileRow));
        Assert.Equal([0, 2, 4, 1, 3, 5], Enumerable.Range(0, 6).Select(new RowMap(6).FileRow));
        Assert.True(checkpoint.Get("model.layers.0.self_attn.v_proj.weight", 4, 4).Rows.IsIdentity);
        Assert.Equal(file.Tensors["blk.0.attn_q.bias"].ToArray(),
            checkpoint.Get("model.layers.0.self_attn.q_proj.bias", 4).ToArray());
    }

    [Fact]
    public void Get_NamesTensorAndShapes()
    {
        using var folder = new TempFolder();
        using Checkpoint checkpoint = Checkpoint.Open(folder.Write("model.gguf", GgufBuilder.Llama().Build()));

        var missing = Assert.Throws<ModelLoadException>(() => checkpoint.Get("model.layers.7.mlp.up_proj.weight", 8, 4));
        var shape = Assert.Throws<ModelLoadException>(() => checkpoint.Get("model.norm.weight", 5));

        Assert.Equal(("model.layers.7.mlp.up_proj.weight", "a tensor [8, 4]"), (missing.Subject, missing.Expected));
        Assert.Equal(("model.norm.weight", "shape [5]", "[4]"), (shape.Subject, shape.Expected, shape.Found));
    }

    [Fact]
    public void Open_ReadsTokenizerConfig()
    {
        using var folder = new TempFolder();
        using Checkpoint checkpoint = Checkpoint.Open(folder.Write("model.gguf", GgufBuilder.Llama()
            .Text("tokenizer.chat_template", "main").Text("tokenizer.chat_template.rag", "other")
            .UInt32("tokenizer.ggml.bos_token_id", 3).UInt32("tokenizer.ggml.eot_token_id", 5)
            .Entry("tokenizer.ggml.add_bos_token", 7, writer => writer.Write(true)).Build()));

        Assert.Equal("main", checkpoint.TokenizerConfig.ChatTemplate);
        Assert.Equal("other", checkpoint.TokenizerConfig.NamedChatTemplates["rag"]);
        Assert.Equal(("c", "<s>"), (checkpoint.TokenizerConfig.BosToken, checkpoint.TokenizerConfig.EosToken));
        Assert.True(checkpoint.TokenizerConfig.AddBosToken);
        Assert.Equal([0, 5], checkpoint.GenerationConfig.EosTokenIds);
    }

    static Checkpoint OpenOrSkip(string path)
    {
        try
        {
            return Checkpoint.Open(path);
        }
        catch (ModelLoadException refusal) when (refusal.Subject == "general.architecture")
        {
            Assert.Skip(refusal.Message);
            throw;
        }
    }
}
