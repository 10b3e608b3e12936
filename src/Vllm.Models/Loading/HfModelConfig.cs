namespace Vllm.Models.Loading;

/// <summary>
/// Reads config.json as transformers 5 writes it, and as earlier versions did (<c>torch_dtype</c>, <c>rope_theta</c>,
/// <c>rope_scaling</c>, <c>sliding_window_pattern</c>, <c>max_window_layers</c>). Defaults are those of transformers.
/// </summary>
static class HfModelConfig
{
    public const string FileName = "config.json";

    /// <summary>The class that the checkpoint is for.</summary>
    public static string Architecture(ConfigObject config) => config.Strings("architectures") is [string first, ..]
        ? first
        : throw config.Defect("architectures", "a list with the name of the model class");

    public static ModelConfig Read(ConfigObject config)
    {
        string modelType = config.String("model_type") ?? "";
        int hiddenSize = config.RequiredInt("hidden_size");
        int numHeads = config.RequiredInt("num_attention_heads");
        int numLayers = config.RequiredInt("num_hidden_layers", max: ModelLimits.MaxLayers);
        IReadOnlyList<LayerType> layerTypes = LayerTypes(config, modelType, numLayers);
        int headDim = HeadDim(config, hiddenSize, numHeads);
        int maxPositions = config.Int("max_position_embeddings", min: 1, max: ModelLimits.MaxPositions) ?? 2048;
        (RopeParameters rope, RopeParameters slidingRope) = HfRopeParameters.Read(config, headDim, maxPositions);

        return new()
        {
            Architecture = Architecture(config),
            ModelType = modelType,
            Dtype = config.String("dtype") ?? config.String("torch_dtype"),
            VocabSize = config.RequiredInt("vocab_size", max: ModelLimits.MaxVocab),
            HiddenSize = hiddenSize,
            IntermediateSize = config.RequiredInt("intermediate_size"),
            NumHiddenLayers = numLayers,
            NumAttentionHeads = numHeads,
            NumKvHeads = NumKvHeads(config, numHeads),
            HeadDim = headDim,
            MaxPositionEmbeddings = maxPositions,
            RmsNormEps = (float)(config.PositiveDouble("rms_norm_eps") ?? 1e-6),
            HiddenAct = config.String("hidden_act") ?? config.String("hidden_activation") ?? "silu",
            AttentionBias = config.Bool("attention_bias") ?? false,
            MlpBias = config.Bool("mlp_bias") ?? false,
            TieWordEmbeddings = config.Bool("tie_word_embeddings") ?? false,
            Rope = rope,
            SlidingRope = slidingRope,
            SlidingWindow = SlidingWindow(config, modelType, layerTypes),
            LayerTypes = layerTypes,
            BosTokenId = config.Ints("bos_token_id") is [int bos, ..] ? bos : null,
            EosTokenIds = config.Ints("eos_token_id") ?? [],
        };
    }

    static int HeadDim(ConfigObject config, int hiddenSize, int numHeads)
    {
        if (config.Int("head_dim", min: 1, max: ModelLimits.MaxHeadDim) is int headDim) return headDim;
        return hiddenSize % numHeads == 0
            ? hiddenSize / numHeads
            : throw config.Defect("hidden_size", $"a multiple of num_attention_heads ({numHeads}), or head_dim");
    }

    static int NumKvHeads(ConfigObject config, int numHeads)
    {
        int numKvHeads = config.Int("num_key_value_heads", min: 1) ?? numHeads;
        return numHeads % numKvHeads == 0
            ? numKvHeads
            : throw config.Defect("num_key_value_heads", $"a divisor of num_attention_heads ({numHeads})");
    }

    static IReadOnlyList<LayerType> LayerTypes(ConfigObject config, string modelType, int numLayers)
    {
        if (config.Strings("layer_types") is { } names) return NamedLayerTypes(config, names, numLayers);
        int firstSliding = config.Int("max_window_layers") ?? 0; // Qwen: the layers below it are full
        int pattern = config.Int("sliding_window_pattern", min: 1) // the last of so many layers is full
            ?? (modelType == "gemma2" ? 2 : int.MaxValue);
        bool hasWindow = HasWindow(config, modelType);
        return
        [
            .. from layer in Enumerable.Range(0, numLayers)
               let isSliding = hasWindow && layer >= firstSliding && (layer + 1) % pattern != 0
               select isSliding ? LayerType.SlidingAttention : LayerType.FullAttention,
        ];
    }

    static IReadOnlyList<LayerType> NamedLayerTypes(ConfigObject config, IReadOnlyList<string> names, int numLayers)
    {
        if (names.Count != numLayers)
            throw config.Defect("layer_types", $"num_hidden_layers ({numLayers}) names", $"{names.Count}");
        return [.. names.Select(name => name switch
        {
            "full_attention" => LayerType.FullAttention,
            "sliding_attention" => LayerType.SlidingAttention,
            _ => throw config.Defect("layer_types", "full_attention or sliding_attention", name),
        })];
    }

    static int? SlidingWindow(ConfigObject config, string modelType, IReadOnlyList<LayerType> layerTypes)
    {
        if (!layerTypes.Contains(LayerType.SlidingAttention)) return null;
        return Window(config, modelType) ?? throw config.Defect("sliding_window", "a window for the sliding layers");
    }

    static int? Window(ConfigObject config, string modelType) =>
        modelType == "mistral" && !config.Contains("sliding_window")
            ? 4096 // MistralConfig's default
            : config.Int("sliding_window", min: 1, max: ModelLimits.MaxPositions);

    /// <summary>
    /// Whether layers of no named type have the window; LlamaConfig has none, Qwen's is off by default.
    /// </summary>
    static bool HasWindow(ConfigObject config, string modelType) =>
        modelType != "llama"
        && (config.Bool("use_sliding_window") ?? !modelType.StartsWith("qwen", StringComparison.Ordinal))
        && Window(config, modelType) is not null;
}
