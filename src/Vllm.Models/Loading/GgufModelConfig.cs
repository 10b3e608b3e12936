namespace Vllm.Models.Loading;

/// <summary>Reads the metadata of a GGUF file (<c>llama.block_count</c> …) as a <see cref="ModelConfig"/>.</summary>
sealed class GgufModelConfig
{
    const string EmbeddingTensor = "token_embd.weight";

    readonly GgufFile _file;
    readonly GgufKeys _keys;
    readonly GgufArchitecture _architecture;

    GgufModelConfig(GgufFile file, GgufArchitecture architecture) =>
        (_file, _keys, _architecture) = (file, new(file), architecture);

    public static ModelConfig Read(GgufFile file, GgufArchitecture architecture) =>
        new GgufModelConfig(file, architecture).Read();

    ModelConfig Read()
    {
        int numLayers = _keys.RequiredInt(Key("block_count"), max: ModelLimits.MaxLayers);
        int hiddenSize = _keys.RequiredInt(Key("embedding_length"));
        int numHeads = _keys.RequiredInt(Key("attention.head_count"));
        int headDim = HeadDim(hiddenSize, numHeads);
        int maxPositions = _keys.RequiredInt(Key("context_length"), max: ModelLimits.MaxPositions);
        int vocabSize = VocabSize(hiddenSize);
        RopeParameters rope = Rope(headDim, maxPositions);
        return new()
        {
            Architecture = _architecture.HfClass,
            ModelType = _architecture.ModelType,
            VocabSize = vocabSize,
            HiddenSize = hiddenSize,
            IntermediateSize = _keys.RequiredInt(Key("feed_forward_length")),
            NumHiddenLayers = numLayers,
            NumAttentionHeads = numHeads,
            NumKvHeads = NumKvHeads(numHeads),
            HeadDim = headDim,
            MaxPositionEmbeddings = maxPositions,
            RmsNormEps = (float)RmsNormEps(),
            // Llama's attention_bias covers all four projections; the biases that Qwen2 always has leave out the last.
            AttentionBias = _file.Tensors.ContainsKey("blk.0.attn_output.bias"),
            MlpBias = _file.Tensors.ContainsKey("blk.0.ffn_down.bias"),
            TieWordEmbeddings = !_file.Tensors.ContainsKey("output.weight"),
            Rope = rope,
            SlidingRope = rope,
            LayerTypes = [.. Enumerable.Repeat(LayerType.FullAttention, numLayers)],
            BosTokenId = GgufTokenizerConfig.TokenId(_keys, "bos", vocabSize),
            EosTokenIds = GgufTokenizerConfig.EndTokenIds(_keys, vocabSize),
        };
    }

    string Key(string name) => $"{_architecture.Name}.{name}";

    double RmsNormEps()
    {
        string key = Key("attention.layer_norm_rms_epsilon");
        return _keys.PositiveDouble(key) ?? throw _keys.Defect(key, "a number above zero");
    }

    int HeadDim(int hiddenSize, int numHeads)
    {
        string key = Key("attention.key_length");
        if (_keys.Int(key, min: 2, max: ModelLimits.MaxHeadDim) is int headDim)
            return headDim % 2 == 0 ? headDim : throw _keys.Defect(key, "an even number, for rotation");
        return hiddenSize % (2 * numHeads) == 0
            ? hiddenSize / numHeads
            : throw _keys.Defect(
                Key("attention.head_count"), $"heads of even size in an embedding of {hiddenSize}, or {key}");
    }

    int NumKvHeads(int numHeads)
    {
        string key = Key("attention.head_count_kv");
        int numKvHeads = _keys.Int(key, min: 1) ?? numHeads;
        return numHeads % numKvHeads == 0 ? numKvHeads : throw _keys.Defect(key, $"a divisor of {numHeads} heads");
    }

    /// <summary>Rows of the embedding, which the tokens must match.</summary>
    int VocabSize(int hiddenSize)
    {
        if (!_file.Tensors.TryGetValue(EmbeddingTensor, out CheckpointTensor? embedding))
            throw _keys.Defect(EmbeddingTensor, "a tensor", "none");
        if (embedding.Shape is not [int numRows and <= ModelLimits.MaxVocab, int rowLength] || rowLength != hiddenSize)
            throw embedding.Defect($"shape [vocabulary, {hiddenSize}]", embedding.ShapeText);
        if (_keys.Strings(GgufTokenizerConfig.TokensKey) is string[] tokens && tokens.Length != numRows)
            throw _keys.Defect(GgufTokenizerConfig.TokensKey, $"{numRows}, the embedding's rows", $"{tokens.Length}");
        return numRows;
    }

    RopeParameters Rope(int headDim, int maxPositions)
    {
        // None of the architectures rotates a part of the head; the key only repeats its size.
        _ = _keys.Int(Key("rope.dimension_count"), min: headDim, max: headDim);
        int? original = _keys.Int(Key("rope.scaling.original_context_length"), min: 1, max: ModelLimits.MaxPositions);
        var unscaled = new RopeParameters
        {
            RopeTheta = _keys.PositiveDouble(Key("rope.freq_base")) ?? 10_000,
            RotaryDim = headDim,
            OriginalMaxPositionEmbeddings = original ?? maxPositions,
        };
        double factor = Factor("rope.scaling.factor", maxPositions) ?? Factor("rope.scale_linear", maxPositions) ?? 1;
        RopeType type = ScalingType(factor);
        if (type == RopeType.Default) return unscaled;
        return unscaled with
        {
            RopeType = type,
            Factor = factor,
            AttentionFactor = AttentionFactor(type, factor),
            BetaFast = _keys.PositiveDouble(Key("rope.scaling.yarn_beta_fast")) ?? unscaled.BetaFast,
            BetaSlow = _keys.PositiveDouble(Key("rope.scaling.yarn_beta_slow")) ?? unscaled.BetaSlow,
        };
    }

    double? Factor(string name, int maxPositions)
    {
        double? factor = _keys.PositiveDouble(Key(name));
        return factor is null || factor * maxPositions <= ModelLimits.MaxPositions
            ? factor
            : throw _keys.Defect(Key(name), $"a context of at most {ModelLimits.MaxPositions:N0} when scaled");
    }

    RopeType ScalingType(double factor)
    {
        string key = Key("rope.scaling.type");
        return _keys.String(key) switch
        {
            null => factor == 1 ? RopeType.Default : RopeType.Linear, // older files name the factor only
            "none" => RopeType.Default,
            "linear" => RopeType.Linear,
            "yarn" => RopeType.Yarn,
            "longrope" => RopeType.LongRope,
            _ => throw _keys.Defect(key, "none, linear, yarn or longrope"),
        };
    }

    /// <summary>
    /// llama.cpp multiplies yarn's derived factor by the stored one; Hugging Face stores the product.
    /// </summary>
    double? AttentionFactor(RopeType type, double factor) =>
        _keys.PositiveDouble(Key("rope.scaling.attn_factor")) is not double stored ? null
        : type == RopeType.Yarn ? stored * (1 + 0.1 * Math.Log(factor))
        : stored;
}
