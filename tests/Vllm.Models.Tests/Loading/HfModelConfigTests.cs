using System.Text.Json.Nodes;
using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

public class HfModelConfigTests
{
    /// <summary>Classes whose configs must be read; others may be refused, with a reason.</summary>
    static readonly string[] RequiredClasses = ["LlamaForCausalLM", "MistralForCausalLM"];

    const string Minimal = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":96,
         "num_hidden_layers":3,"num_attention_heads":4,"vocab_size":100}
        """;

    public static TheoryData<string> Models() =>
        [.. Fixtures.Folders("models").Select(folder => Path.GetFileName(folder))];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public void Read_IsTheSameInOldAndNewForm(string name)
    {
        string folder = Path.Combine(Fixtures.Family("models"), name);
        JsonNode record = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!;

        (ModelConfig? config, ModelLoadException? refusal) = TryRead(Path.Combine(folder, "config.json"));

        var architecture = (string)record["architecture"]!;
        Assert.True(refusal is null || !RequiredClasses.Contains(architecture), refusal?.Message);
        Assert.SkipWhen(config is null, refusal?.Message ?? "");
        Assert.Equal((architecture, (int)record["vocab_size"]!), (config.Architecture, config.VocabSize));
        string legacy = Path.Combine(folder, "config.legacy.json");
        if (!File.Exists(legacy)) return;
        (ModelConfig? legacyConfig, ModelLoadException? legacyRefusal) = TryRead(legacy);
        Assert.True(legacyConfig is not null, legacyRefusal?.Message);
        Assert.Equivalent(config, legacyConfig, strict: true);
    }

    [Fact]
    public void Read_FillsInDefaults()
    {
        ModelConfig config = Read(Minimal);

        Assert.Equal((4, 16, 2048), (config.NumKvHeads, config.HeadDim, config.MaxPositionEmbeddings));
        Assert.Equal([LayerType.FullAttention, LayerType.FullAttention, LayerType.FullAttention], config.LayerTypes);
        Assert.Equal(new RopeParameters { RotaryDim = 16, OriginalMaxPositionEmbeddings = 2048 }, config.Rope);
        Assert.Null(config.SlidingWindow);
        Assert.Empty(config.EosTokenIds);
    }

    [Theory]
    [InlineData("hidden_size", "66", "hidden_size")]
    [InlineData("hidden_size", "-64", "hidden_size")]
    [InlineData("hidden_size", "64.5", "hidden_size")]
    [InlineData("hidden_size", "1e300", "hidden_size")]
    [InlineData("hidden_size", "\"64\"", "hidden_size")]
    [InlineData("hidden_size", "NaN", "JSON")]
    [InlineData("hidden_size", "Infinity", "hidden_size")]
    [InlineData("hidden_size", "null", "hidden_size")]
    [InlineData("num_hidden_layers", "2147483648", "num_hidden_layers")]
    [InlineData("num_hidden_layers", "0", "num_hidden_layers")]
    [InlineData("num_attention_heads", "0", "num_attention_heads")]
    [InlineData("num_key_value_heads", "3", "num_key_value_heads")]
    [InlineData("head_dim", "15", "partial_rotary_factor")]
    [InlineData("vocab_size", "99999999999", "vocab_size")]
    [InlineData("architectures", "[]", "architectures")]
    [InlineData("architectures", "[1]", "architectures")]
    [InlineData("layer_types", "[\"full_attention\"]", "layer_types")]
    [InlineData("layer_types", "[\"a\",\"b\",\"c\"]", "layer_types")]
    [InlineData("layer_types", "[\"sliding_attention\",\"full_attention\",\"full_attention\"]", "sliding_window")]
    [InlineData("rope_scaling", "[]", "rope_scaling")]
    [InlineData("rope_scaling", "{\"type\":\"none such\",\"factor\":2}", "rope_scaling.type")]
    [InlineData("rope_scaling", "{\"type\":\"linear\"}", "rope_scaling.factor")]
    [InlineData("rope_parameters", "{\"rope_type\":\"yarn\",\"factor\":-1}", "rope_parameters.factor")]
    [InlineData("rope_parameters", "{\"rope_type\":\"longrope\",\"short_factor\":[1]}", "rope_parameters.short_factor")]
    [InlineData("rope_scaling", "{\"type\":\"linear\",\"factor\":1e300}", "rope_scaling.factor")]
    [InlineData("tie_word_embeddings", "1", "tie_word_embeddings")]
    [InlineData("eos_token_id", "[2,\"x\"]", "eos_token_id")]
    [InlineData("model_type", "\"\\ud800\"", "JSON")]
    [InlineData("\\udc00", "1", "JSON")]
    public void Read_NamesDefect(string key, string value, string subject)
    {
        using var folder = new TempFolder();
        string path = folder.Write("config.json", With($",\"{key}\":{value}"));

        ModelLoadException? refusal = Bounded.Run(() => HfModelConfig.Read(ConfigObject.Read(path)));

        Assert.NotNull(refusal);
        Assert.Equal((path, subject), (refusal.File, refusal.Subject));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{} {}")]
    [InlineData("\0\0\0")]
    public void Read_RefusesWhatIsNoObject(string json)
    {
        using var folder = new TempFolder();
        string path = folder.Write("config.json", json);

        Assert.Equal("JSON", Bounded.Run(() => HfModelConfig.Read(ConfigObject.Read(path)))?.Subject);
    }

    [Fact]
    public void Read_RefusesDeepNesting()
    {
        using var folder = new TempFolder();
        string path = folder.Write("config.json", new string('[', 1_000_000));

        Assert.Equal("JSON", Bounded.Run(() => HfModelConfig.Read(ConfigObject.Read(path)))?.Subject);
    }

    [Theory]
    [InlineData("mistral", "", 4096)]
    [InlineData("mistral", ",\"sliding_window\":null", null)]
    [InlineData("mistral", ",\"sliding_window\":9", 9)]
    [InlineData("llama", ",\"sliding_window\":9", null)]
    [InlineData("qwen2", ",\"sliding_window\":9,\"use_sliding_window\":false", null)]
    [InlineData("qwen2", ",\"sliding_window\":9,\"use_sliding_window\":true,\"max_window_layers\":1", 9)]
    public void Read_FindsSlidingLayers(string modelType, string keys, int? window)
    {
        ModelConfig config = Read(With(keys).Replace("\"llama\"", $"\"{modelType}\"", StringComparison.Ordinal));

        Assert.Equal(window, config.SlidingWindow);
        Assert.Equal(window is not null, config.LayerTypes[^1] == LayerType.SlidingAttention);
        bool isFirstFull = window is null || keys.Contains("max_window_layers", StringComparison.Ordinal);
        Assert.Equal(isFirstFull, config.LayerTypes[0] == LayerType.FullAttention);
    }

    [Fact]
    public void Read_TakesRopeByLayerType()
    {
        ModelConfig config = Read(With("""
            ,"rope_parameters":{"sliding_attention":{"rope_type":"default","rope_theta":10000},
             "full_attention":{"rope_type":"linear","factor":8,"rope_theta":1000000,"partial_rotary_factor":0.5}}
            """));

        RopeParameters sliding = config.SlidingRope, full = config.Rope;
        Assert.Equal((10_000d, RopeType.Default, 16), (sliding.RopeTheta, sliding.RopeType, sliding.RotaryDim));
        Assert.Equal((1_000_000d, RopeType.Linear, 8), (full.RopeTheta, full.RopeType, full.RotaryDim));
    }

    static string With(string keys) => Minimal.TrimEnd('}') + keys + "}";

    static ModelConfig Read(string json) =>
        HfModelConfig.Read(ConfigObject.Parse("config.json", System.Text.Encoding.UTF8.GetBytes(json)));

    static (ModelConfig? Config, ModelLoadException? Refusal) TryRead(string path)
    {
        ModelConfig? config = null;
        ModelLoadException? refusal = Bounded.Run(() => config = HfModelConfig.Read(ConfigObject.Read(path)));
        return (config, refusal);
    }
}
