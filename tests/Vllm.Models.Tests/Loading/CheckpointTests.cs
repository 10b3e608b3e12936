using Vllm.Kernels.Formats;
using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class CheckpointTests
{
    const string Config = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4,"intermediate_size":8,
         "num_hidden_layers":1,"num_attention_heads":2,"vocab_size":6,"tie_word_embeddings":true}
        """;
    const string OneTensor = """{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}""";

    public static TheoryData<string> Models() => HfModelConfigTests.Models();

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public void Open_ReadsFolder(string name)
    {
        string folder = Path.Combine(Fixtures.Family("models"), name);
        Checkpoint? checkpoint = null;
        ModelLoadException? refusal = Bounded.Run(() => checkpoint = Checkpoint.Open(folder));
        Assert.SkipWhen(checkpoint is null, refusal?.Message ?? "");

        using (checkpoint)
        {
            Assert.NotEmpty(checkpoint.GenerationConfig.EosTokenIds!);
            Assert.DoesNotContain(checkpoint.Tensors, tensor => tensor.Name == "logits");
            if (checkpoint.Config.ModelType is "llama" or "mistral") LlamaWeights.ReadAll(checkpoint);
        }
    }

    [Fact]
    public void Open_ReadsEmbeddedModelQuickly()
    {
        string folder = Path.Combine(Fixtures.RepositoryRoot, "models");
        Checkpoint.Open(folder).Dispose();

        ModelLoadException? refusal = Bounded.Run(() => Checkpoint.Open(folder).Dispose());

        Assert.Null(refusal);
    }

    [Fact]
    public void Open_NamesWhatIsMissing()
    {
        using var folder = new TempFolder();
        Assert.Equal("nothing there", Refusal(Path.Combine(folder.Path, "absent"))?.Found);
        Assert.Equal("neither", Refusal(folder.Path)?.Found);

        folder.Write("config.json", """{"architectures":["NoneSuch"]}""");
        Assert.Equal("architectures", Refusal(folder.Path)?.Subject);

        folder.Write("config.json", Config);
        Assert.Equal(("weights", "no safetensors files"), (Refusal(folder.Path)?.Subject, Refusal(folder.Path)?.Found));

        folder.Write("pytorch_model.bin", "x");
        Assert.Contains("convert it, for example", Refusal(folder.Path)?.Found, StringComparison.Ordinal);

        folder.Write("x.safetensors", SafetensorsFileTests.Bytes(OneTensor, 2));
        Assert.Null(Refusal(folder.Path));

        folder.Write("y.safetensors", SafetensorsFileTests.Bytes(OneTensor, 2));
        Assert.Contains("without an index", Refusal(folder.Path)?.Found, StringComparison.Ordinal);

        File.Delete(Path.Combine(folder.Path, "config.json"));
        Assert.Contains("config.json", Refusal(folder.Path)?.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_TakesTheGgufModelOfAFolder()
    {
        using var folder = new TempFolder();
        byte[] model = GgufBuilder.Llama().Build();
        folder.Write("config.json", Config);
        folder.Write("a.gguf", model);
        Assert.Null(Refusal(folder.Path));

        folder.Write("b-00002-of-00002.gguf", model);
        Assert.Null(Refusal(folder.Path));

        folder.Write("b.gguf", model);
        Assert.Contains("name the file", Refusal(folder.Path)?.Found, StringComparison.Ordinal);
        Assert.Null(Refusal(Path.Combine(folder.Path, "b.gguf")));
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"one.safetensors"}}""", null)]
    [InlineData("""{"weight_map":{"a":"two.safetensors"}}""", "file")]
    [InlineData("""{"weight_map":{"b":"one.safetensors"}}""", "b")]
    [InlineData("""{"weight_map":{"a":"../one.safetensors"}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":".."}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":1}}""", "weight_map.a")]
    [InlineData("""{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}""", "weight_map.a")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("{}", "weight_map")]
    [InlineData("", "JSON")]
    public void Open_ChecksTheIndex(string index, string? subject)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", Config);
        folder.Write("one.safetensors", SafetensorsFileTests.Bytes(OneTensor, 2));
        folder.Write("model.safetensors.index.json", index);

        Assert.Equal(subject, Refusal(folder.Path)?.Subject);
    }

    [Theory]
    [InlineData("x-00001-of-00002.gguf", "x-00002-of-00002.gguf", 1, null)]
    [InlineData("x-00001-of-00002.gguf", "x-00002-of-00003.gguf", 1, "file")]
    [InlineData("x-00001-of-00002.gguf", "x-00002-of-00002.gguf", 0, "split.no")]
    [InlineData("x.gguf", "x-00002-of-00002.gguf", 1, "split.count")]
    public void Open_ChecksPartsOfASplitModel(string first, string second, int secondNumber, string? subject)
    {
        using var folder = new TempFolder();
        string path = folder.Write(first, GgufBuilder.Llama().UInt32("split.count", 2).UInt32("split.no", 0).Build());
        folder.Write(second, new GgufBuilder().UInt32("split.count", 2).UInt32("split.no", (uint)secondNumber)
            .Tensor("rope_freqs.weight", GgmlType.F32, 1).Build());

        Assert.Equal(subject, Refusal(path)?.Subject);
    }

    [Fact]
    public void GenerationConfig_ReadsKeysOfVllm()
    {
        using var folder = new TempFolder();
        Assert.Equal(new GenerationConfig(), GenerationConfig.Read(folder.Path));
        string path = folder.Write("generation_config.json", """
            {"eos_token_id":[2,7],"temperature":0.6,"top_p":0.9,"top_k":20,"min_p":0.1,"repetition_penalty":1.1,
             "presence_penalty":0.2,"frequency_penalty":0.3,"max_new_tokens":512,"skip_special_tokens":false,
             "do_sample":true}
            """);

        GenerationConfig config = GenerationConfig.Read(folder.Path);

        Assert.Equal([2, 7], config.EosTokenIds!);
        Assert.Equal(
            new GenerationConfig
            {
                Temperature = 0.6,
                TopP = 0.9,
                TopK = 20,
                MinP = 0.1,
                RepetitionPenalty = 1.1,
                PresencePenalty = 0.2,
                FrequencyPenalty = 0.3,
                MaxNewTokens = 512,
                SkipSpecialTokens = false,
            },
            config with { EosTokenIds = null });
        folder.Write("generation_config.json", """{"top_k":"many"}""");
        Assert.Equal((path, "top_k"), Defect(() => GenerationConfig.Read(folder.Path)));
    }

    [Fact]
    public void TokenizerConfig_ReadsEveryForm()
    {
        using var folder = new TempFolder();
        Assert.Null(HfTokenizerConfig.Read(folder.Path).ChatTemplate);
        folder.Write("special_tokens_map.json", """{"bos_token":"<other>","unk_token":{"content":"<unk>"}}""");
        string path = folder.Write("tokenizer_config.json", """
            {"bos_token":"<s>","eos_token":{"content":"</s>"},"pad_token":null,"add_bos_token":true,
             "chat_template":[{"name":"default","template":"plain"},{"name":"tool_use","template":"tools"}]}
            """);

        TokenizerConfig config = HfTokenizerConfig.Read(folder.Path);

        Assert.Equal(("<s>", "</s>"), (config.BosToken, config.EosToken));
        Assert.Equal(["bos_token", "eos_token", "unk_token"], config.SpecialTokens.Keys.Order(StringComparer.Ordinal));
        Assert.True(config.AddBosToken);
        Assert.Null(config.AddEosToken);
        Assert.Equal("plain", config.ChatTemplate);
        Assert.Equal("tools", Assert.Single(config.NamedChatTemplates).Value);

        folder.Write("chat_template.json", """{"chat_template":"processor"}""");
        Assert.Equal("processor", HfTokenizerConfig.Read(folder.Path).ChatTemplate);
        folder.Write("chat_template.jinja", "file");
        folder.Write("additional_chat_templates/rag.jinja", "rag");
        config = HfTokenizerConfig.Read(folder.Path);
        Assert.Equal(("file", "rag"), (config.ChatTemplate, config.NamedChatTemplates["rag"]));
        folder.Write("tokenizer_config.json", """{"chat_template":[{"name":"x"}]}""");
        Assert.Equal((path, "chat_template[].template"), Defect(() => HfTokenizerConfig.Read(folder.Path)));
    }

    static ModelLoadException? Refusal(string path) => Bounded.Run(() => Checkpoint.Open(path).Dispose());

    static (string?, string?) Defect(Action load)
    {
        ModelLoadException? refusal = Bounded.Run(load);
        return (refusal?.File, refusal?.Subject);
    }
}
