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

        string config = temp.Write("config.json", reference.ToJsonString());
        ModelConfig expected = HfModelConfig.Read(ConfigObject.Read(config));

        // Mistral's files are written as llama: the same computation under another name.
        expected = expected with { Architecture = checkpoint.Config.Architecture };
        Assert.Equivalent(expected, checkpoint.Config, strict: true);
        if (checkpoint.Tensors.All(tensor => Dequantizer.IsSupported(tensor.Type))) LlamaWeights.ReadAll(checkpoint);
    }

    [Fact]
    public void FileRow_TakesApartThePairsOfEachHead()
    {
        Assert.Equal([0, 1, 2, 3], Enumerable.Range(0, 4).Select(new RowMap(2).FileRow));
        Assert.Equal([0, 2, 1, 3, 4, 6, 5, 7], Enumerable.Range(0, 8).Select(new RowMap(4).FileRow));
        Assert.Equal([0, 2, 4, 1, 3, 5], Enumerable.Range(0, 6).Select(new RowMap(6).FileRow));
        Assert.Equal([5, 3], new[] { 5, 3 }.Select(default(RowMap).FileRow));
    }

    [Fact]
    public void Get_ReordersRowsOfQueriesAndKeysOnly()
    {
        using var folder = new TempFolder();
        string path = folder.Write("model.gguf", GgufBuilder.Llama(headDim: 4).Build());
        using GgufFile file = GgufFile.Open(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        CheckpointTensor query = checkpoint.Get("model.layers.0.self_attn.q_proj.weight", 8, 4);

        Assert.Equal(new RowMap(4), query.Rows);
        Assert.Equal(query.Rows, checkpoint.Get("model.layers.0.self_attn.k_proj.weight", 8, 4).Rows);
        Assert.True(checkpoint.Get("model.layers.0.self_attn.v_proj.weight", 8, 4).Rows.IsIdentity);
        Assert.Equal(file.Tensors["blk.0.attn_q.weight"].Row(2), query.Row(1));
        float[] bias = file.Tensors["blk.0.attn_q.bias"].ToArray();
        Assert.Equal([bias[0], bias[2], bias[1], bias[3], bias[4], bias[6], bias[5], bias[7]],
            checkpoint.Get("model.layers.0.self_attn.q_proj.bias", 8).ToArray());
    }

    [Fact]
    public void Get_NamesTensorAndShapes()
    {
        using var folder = new TempFolder();
        using Checkpoint checkpoint = Checkpoint.Open(folder.Write("model.gguf", GgufBuilder.Llama().Build()));

        var missing = Assert.Throws<ModelLoadException>(() => checkpoint.Get("model.layers.7.none", 8, 4));
        var shape = Assert.Throws<ModelLoadException>(() => checkpoint.Get("model.norm.weight", 5));

        Assert.Equal(("model.layers.7.none", "a tensor [8, 4]"), (missing.Subject, missing.Expected));
        Assert.Equal(("model.norm.weight", "shape [5]", "[4]"), (shape.Subject, shape.Expected, shape.Found));
    }

    [Theory]
    [InlineData("general.architecture")]
    [InlineData("llama.block_count")]
    [InlineData("llama.context_length")]
    [InlineData("llama.embedding_length")]
    [InlineData("llama.feed_forward_length")]
    [InlineData("llama.attention.head_count")]
    [InlineData("llama.attention.layer_norm_rms_epsilon")]
    [InlineData("tokenizer.ggml.model")]
    [InlineData("tokenizer.ggml.tokens")]
    [InlineData("tokenizer.ggml.merges")]
    public void Open_NamesMissingKey(string key)
    {
        using var folder = new TempFolder();
        string path = folder.Write("model.gguf", GgufBuilder.Llama().Without(key).Build());

        ModelLoadException? refusal = Bounded.Run(() => Checkpoint.Open(path).Dispose());

        Assert.Equal((path, key, "nothing"), (refusal?.File, refusal?.Subject, refusal?.Found));
    }

    [Theory]
    [InlineData("llama.block_count", 5_000u)]
    [InlineData("llama.attention.head_count", 3u)]
    [InlineData("llama.attention.head_count_kv", 0u)]
    [InlineData("llama.attention.key_length", 3u)]
    [InlineData("llama.rope.dimension_count", 4u)]
    [InlineData("llama.rope.freq_base", 1u)]
    [InlineData("llama.embedding_length", uint.MaxValue)]
    public void Open_NamesWrongValue(string key, uint value)
    {
        using var folder = new TempFolder();
        GgufBuilder builder = GgufBuilder.Llama().Without(key).UInt32(key, value);
        if (key == "llama.attention.head_count") builder.Without("llama.attention.key_length");
        string path = folder.Write("model.gguf", builder.Build());

        ModelLoadException? refusal = Bounded.Run(() => Checkpoint.Open(path).Dispose());

        Assert.Equal((path, key), (refusal?.File, refusal?.Subject));
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
