using Vllm.Kernels.Formats;
using Vllm.Models;
using Vllm.Models.Loading;
using Vllm.Models.Synth;
using Vllm.Tests.Loading;

namespace Vllm.Tests.Synth;

public class SyntheticModelTests
{
    static readonly string TokenizerFile =
        Directory.GetFiles(Path.Combine(Fixtures.RepositoryRoot, "models"), "*.gguf").Single();

    static readonly ModelShape Tiny = Shape("tiny");

    public static TheoryData<string> Mixes() => [.. QuantizationMix.All.Select(mix => mix.Name)];

    [Theory]
    [MemberData(nameof(Mixes))]
    public void WriteGguf_GivesAModel(string mix)
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.gguf");

        new SyntheticModel(Tiny, TokenizerFile, seed: 1).WriteGguf(path, Mix(mix));

        using Checkpoint checkpoint = Checkpoint.Open(path);
        CheckSizes(checkpoint.Config);
        Assert.Equal(Mix(mix).Main, Tensor(checkpoint, "model.layers.0.mlp.gate_proj.weight").Type);
        var embedding = new float[Tiny.HiddenSize];
        Tensor(checkpoint, "model.embed_tokens.weight").DequantizeRows(7, 1, embedding);
        Assert.InRange(embedding.Average(value => value * value) * Tiny.HiddenSize, 0.5, 2);
        Assert.Equal(["model.gguf"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData(GgmlType.F32)]
    [InlineData(GgmlType.F16)]
    [InlineData(GgmlType.BF16)]
    public void WriteSafetensors_GivesAModel(GgmlType type)
    {
        using var folder = new TempFolder();

        new SyntheticModel(Tiny, TokenizerFile, seed: 1).WriteSafetensors(folder.Path, type);

        using Checkpoint checkpoint = Checkpoint.Open(folder.Path);
        CheckSizes(checkpoint.Config);
        Assert.Equal(type, Tensor(checkpoint, "model.layers.1.mlp.down_proj.weight").Type);
        var norm = new float[Tiny.HiddenSize];
        Tensor(checkpoint, "model.norm.weight").DequantizeRows(0, 1, norm);
        Assert.All(norm, value => Assert.Equal(1, value));
        Assert.Contains("im_start", checkpoint.TokenizerConfig.ChatTemplate, StringComparison.Ordinal);
    }

    /// <summary>llama3's scaling is a divisor for each frequency: none for the fast ones, all of it for the slow
    /// ones.</summary>
    [Fact]
    public void WriteGguf_ScalesRopeAsLlama3()
    {
        using var folder = new TempFolder();
        string path = Path.Combine(folder.Path, "model.gguf");
        ModelShape shape = Shape("llama-1b") with { NumLayers = 1, HiddenSize = 256, IntermediateSize = 256 };

        new SyntheticModel(shape, TokenizerFile, seed: 1).WriteGguf(path, Mix("Q4_0"));

        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.Equal(128_256, checkpoint.Config.VocabSize);
        var divisors = new float[shape.HeadDim / 2];
        Tensor(checkpoint, "rope_freqs.weight").DequantizeRows(0, 1, divisors);
        Assert.Equal(1, divisors[0]);
        Assert.Equal(32, divisors[^1]);
        Assert.Equal(divisors.Order(), divisors);
    }

    /// <summary>Sizes that llama-bench prints for files of llama.cpp's quantizer.</summary>
    [Theory]
    [InlineData("llama-1b", "Q4_K_M", 762.81)]
    [InlineData("llama-1b", "Q5_K_M", 861.81)]
    public void Mix_HasTheSizeOfLlamaCpp(string name, string mix, double expectedMiB)
    {
        ModelShape shape = Shape(name);

        long sizeBytes = shape.Tensors(shape.VocabSize, TypeOf, GgmlType.F32).Sum(tensor => tensor.SizeBytes);

        Assert.Equal(expectedMiB, sizeBytes / (1024.0 * 1024), 0.005);

        GgmlType TypeOf(string tensor, int layer, int numInputs) =>
            Mix(mix).TypeOf(tensor[(tensor.LastIndexOf('.') + 1)..], layer, numInputs, shape);
    }

    /// <summary>Rows of 576 are no whole blocks of 256, rows of 1,536 are: as in the published files of that size.</summary>
    [Theory]
    [InlineData("Q4_K_M", "attn_q", 576, GgmlType.Q5_0)]
    [InlineData("Q4_K_M", "token_embd", 576, GgmlType.Q8_0)]
    [InlineData("Q4_1", "token_embd", 576, GgmlType.Q8_0)]
    [InlineData("Q4_K_S", "ffn_down", 1536, GgmlType.Q5_K)]
    [InlineData("Q2_K", "ffn_gate", 576, GgmlType.IQ4_NL)]
    public void Mix_FallsBackWhereBlocksDoNotFit(string mix, string tensor, int numInputs, GgmlType expected) =>
        Assert.Equal(expected, Mix(mix).TypeOf(tensor, layer: 0, numInputs, Shape("smollm2-135m")));

    static void CheckSizes(ModelConfig config)
    {
        Assert.Equal("LlamaForCausalLM", config.Architecture);
        Assert.Equal(
            (Tiny.HiddenSize, Tiny.IntermediateSize, Tiny.NumLayers, Tiny.NumHeads, Tiny.NumKvHeads, Tiny.HeadDim),
            (config.HiddenSize, config.IntermediateSize, config.NumHiddenLayers, config.NumAttentionHeads,
                config.NumKvHeads, config.HeadDim));
        Assert.True(config.TieWordEmbeddings);
        Assert.Equal(Tiny.RopeTheta, config.Rope.RopeTheta);
        Assert.Equal([2], config.EosTokenIds);
    }

    static CheckpointTensor Tensor(Checkpoint checkpoint, string name) =>
        checkpoint.TryGet(name, out CheckpointTensor? tensor) ? tensor : throw new KeyNotFoundException(name);

    static ModelShape Shape(string name) => ModelShape.All.Single(shape => shape.Name == name);

    static QuantizationMix Mix(string name) => QuantizationMix.All.Single(mix => mix.Name == name);
}
