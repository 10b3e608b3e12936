using Vllm.Kernels.Formats;
using Vllm.Models.Loading;

namespace Vllm.Models.Synth;

/// <summary>The sizes of a model of the llama architecture that is known by name.</summary>
public sealed record ModelShape
{
    /// <summary>Sizes as in the config.json of SmolLM2 and Llama 3; <c>tiny</c> is for trying things out.</summary>
    public static IReadOnlyList<ModelShape> All { get; } =
    [
        new()
        {
            Name = "tiny", HiddenSize = 256, IntermediateSize = 512, NumLayers = 2, NumHeads = 4, NumKvHeads = 2,
            HeadDim = 64, ContextLength = 8192, RopeTheta = 100_000,
        },
        new()
        {
            Name = "smollm2-135m", HiddenSize = 576, IntermediateSize = 1536, NumLayers = 30, NumHeads = 9,
            NumKvHeads = 3, HeadDim = 64, ContextLength = 8192, RopeTheta = 100_000,
        },
        new()
        {
            Name = "smollm2-360m", HiddenSize = 960, IntermediateSize = 2560, NumLayers = 32, NumHeads = 15,
            NumKvHeads = 5, HeadDim = 64, ContextLength = 8192, RopeTheta = 100_000,
        },
        new()
        {
            Name = "smollm2-1.7b", HiddenSize = 2048, IntermediateSize = 8192, NumLayers = 24, NumHeads = 32,
            NumKvHeads = 32, HeadDim = 64, ContextLength = 8192, RopeTheta = 130_000,
        },
        new()
        {
            Name = "llama-1b", HiddenSize = 2048, IntermediateSize = 8192, NumLayers = 16, NumHeads = 32,
            NumKvHeads = 8, HeadDim = 64, ContextLength = 131_072, RopeTheta = 500_000, RopeFactor = 32,
            VocabSize = 128_256,
        },
        new()
        {
            Name = "llama-3b", HiddenSize = 3072, IntermediateSize = 8192, NumLayers = 28, NumHeads = 24,
            NumKvHeads = 8, HeadDim = 128, ContextLength = 131_072, RopeTheta = 500_000, RopeFactor = 32,
            VocabSize = 128_256,
        },
        new()
        {
            Name = "llama-8b", HiddenSize = 4096, IntermediateSize = 14_336, NumLayers = 32, NumHeads = 32,
            NumKvHeads = 8, HeadDim = 128, ContextLength = 131_072, RopeTheta = 500_000, RopeFactor = 8,
            VocabSize = 128_256, TiesEmbeddings = false,
        },
    ];

    public required string Name { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int NumLayers { get; init; }

    public required int NumHeads { get; init; }

    public required int NumKvHeads { get; init; }

    public required int HeadDim { get; init; }

    public required int ContextLength { get; init; }

    public required double RopeTheta { get; init; }

    /// <summary>Factor of llama3 rope scaling from <see cref="OriginalContextLength"/>; null for none.</summary>
    public double? RopeFactor { get; init; }

    /// <summary>Rows of the embedding, at least the tokenizer's tokens; 0 for just these.</summary>
    public int VocabSize { get; init; }

    public bool TiesEmbeddings { get; init; } = true;

    internal const int OriginalContextLength = 8192;
    internal const double LowFreqFactor = 1;
    internal const double HighFreqFactor = 4;
    internal const float RmsNormEps = 1e-5f;

    /// <summary>The model's tensors under GGUF's names. Weights have a deviation of 1/√inputs, so that a layer's
    /// outputs are as large as its inputs.</summary>
    internal IEnumerable<SynthTensor> Tensors(int vocabSize, Func<string, int, int, GgmlType> typeOf, GgmlType normType)
    {
        int q = NumHeads * HeadDim, kv = NumKvHeads * HeadDim;
        yield return Matrix("token_embd", 0, vocabSize, HiddenSize);
        for (int layer = 0; layer < NumLayers; layer++)
        {
            yield return Norm($"blk.{layer}.attn_norm");
            yield return Matrix($"blk.{layer}.attn_q", layer, q, HiddenSize);
            yield return Matrix($"blk.{layer}.attn_k", layer, kv, HiddenSize);
            yield return Matrix($"blk.{layer}.attn_v", layer, kv, HiddenSize);
            yield return Matrix($"blk.{layer}.attn_output", layer, HiddenSize, q);
            yield return Norm($"blk.{layer}.ffn_norm");
            yield return Matrix($"blk.{layer}.ffn_gate", layer, IntermediateSize, HiddenSize);
            yield return Matrix($"blk.{layer}.ffn_up", layer, IntermediateSize, HiddenSize);
            yield return Matrix($"blk.{layer}.ffn_down", layer, HiddenSize, IntermediateSize);
        }
        yield return Norm("output_norm");
        if (!TiesEmbeddings) yield return Matrix("output", 0, vocabSize, HiddenSize);

        SynthTensor Matrix(string name, int layer, int numOutputs, int numInputs) => new(
            $"{name}.weight", typeOf(name, layer, numInputs), [numOutputs, numInputs], 1 / MathF.Sqrt(numInputs));

        SynthTensor Norm(string name) => new($"{name}.weight", normType, [HiddenSize], Deviation: 0);
    }
}

/// <summary>A tensor to be written.</summary>
/// <param name="Name">GGUF's name.</param>
/// <param name="Type">Type of its elements or blocks.</param>
/// <param name="Shape">Row-major.</param>
/// <param name="Deviation">Of its random values; 0 for values that are all <c>1</c>, or <see cref="Values"/>.</param>
sealed record SynthTensor(string Name, GgmlType Type, int[] Shape, float Deviation)
{
    /// <summary>What an F32 tensor holds that is not random.</summary>
    public float[]? Values { get; init; }

    public string HfName => GgufArchitectures.HfName(Name);

    public long SizeBytes => CheckpointTensor.TryDataSizeBytes(Type, Shape, out long sizeBytes)
        ? sizeBytes
        : throw new InvalidOperationException($"{Name}: rows of {Shape[^1]} are no whole blocks of {Type}");
}
