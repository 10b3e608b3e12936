namespace Vllm.Models;

/// <summary>Which earlier tokens a layer attends to.</summary>
public enum LayerType
{
    FullAttention,
    SlidingAttention,
}

/// <summary>
/// Architecture and sizes of a model, from config.json or GGUF metadata, in the names of Hugging Face. Loaded configs
/// are consistent: sizes are positive and bounded, heads divide evenly, there is one layer type per layer.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>Class name as in <c>architectures</c>, such as LlamaForCausalLM.</summary>
    public required string Architecture { get; init; }

    /// <summary>The checkpoint's <c>model_type</c>, such as llama.</summary>
    public required string ModelType { get; init; }

    /// <summary>Element type the weights were saved in, as in config.json (bfloat16); null where not given.</summary>
    public string? Dtype { get; init; }

    public required int VocabSize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int NumHiddenLayers { get; init; }

    public required int NumAttentionHeads { get; init; }

    public required int NumKvHeads { get; init; }

    public required int HeadDim { get; init; }

    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>
    /// Longest sequence: the trained length, stretched by the rotary scaling where that is not counted in it.
    /// </summary>
    public int MaxModelLen => Rope.RopeType switch
    {
        RopeType.Linear or RopeType.Dynamic => (int)(MaxPositionEmbeddings * Rope.Factor),
        RopeType.Yarn => (int)(Rope.OriginalMaxPositionEmbeddings * Rope.Factor),
        _ => MaxPositionEmbeddings,
    };

    public float RmsNormEps { get; init; } = 1e-6f;

    public string HiddenAct { get; init; } = "silu";

    public bool AttentionBias { get; init; }

    public bool MlpBias { get; init; }

    public bool TieWordEmbeddings { get; init; }

    public required RopeParameters Rope { get; init; }

    /// <summary>Rotary embedding of sliding layers: <see cref="Rope"/> in most models.</summary>
    public required RopeParameters SlidingRope { get; init; }

    /// <summary>
    /// A token of a sliding layer sees itself and the window less one before it; null without such layers.
    /// </summary>
    public int? SlidingWindow { get; init; }

    public required IReadOnlyList<LayerType> LayerTypes { get; init; }

    public int? BosTokenId { get; init; }

    public IReadOnlyList<int> EosTokenIds { get; init; } = [];
}

/// <summary>
/// What a config may claim: far above any model, and small enough that a product of three sizes stays in a long and
/// that nothing large is allocated for a broken file.
/// </summary>
static class ModelLimits
{
    public const int MaxSize = 1 << 20;
    public const int MaxLayers = 1 << 12;
    public const int MaxHeadDim = 1 << 14;
    public const int MaxVocab = 1 << 24;
    public const int MaxPositions = 1 << 28;
}
