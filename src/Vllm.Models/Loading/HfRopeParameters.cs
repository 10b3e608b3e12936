namespace Vllm.Models.Loading;

/// <summary>
/// Reads the rotary embedding of a config.json: <c>rope_parameters</c>, for all layers or by layer type, or the older
/// <c>rope_theta</c> and <c>rope_scaling</c> and their kin at top level.
/// </summary>
static class HfRopeParameters
{
    public static (RopeParameters Full, RopeParameters Sliding) Read(ConfigObject config, int headDim, int maxPositions)
    {
        ConfigObject? rope = config.Object("rope_parameters") ?? config.Object("rope_scaling");
        ConfigObject? full = ByLayerType("full_attention") ?? ByLayerType("sliding_attention") ?? rope;
        ConfigObject? sliding = ByLayerType("sliding_attention") ?? full;
        double theta = config.Double("rope_theta") ?? config.Double("rotary_emb_base") ?? 10_000;

        RopeParameters fullParameters = Read(config, full, theta, headDim, maxPositions);
        // Gemma 3's older form: the sliding layers have their own base, and no scaling.
        RopeParameters slidingParameters = config.Double("rope_local_base_freq") is double localTheta
            ? Read(config, null, localTheta, headDim, maxPositions)
            : Read(config, sliding, theta, headDim, maxPositions);
        return (fullParameters, slidingParameters);

        ConfigObject? ByLayerType(string name) =>
            rope is ConfigObject types && types.IsObject(name) ? types.Object(name) : null;
    }

    static RopeParameters Read(ConfigObject config, ConfigObject? rope, double theta, int headDim, int maxPositions)
    {
        ConfigObject source = rope ?? config;
        RopeType type = rope is null ? RopeType.Default : Type(source);
        int rotaryDim = RotaryDim(config, rope, headDim);
        int original = OriginalMaxPositions(rope) ?? OriginalMaxPositions(config) ?? maxPositions;
        var unscaled = new RopeParameters
        {
            RopeTheta = source.PositiveDouble("rope_theta") ?? theta,
            RotaryDim = rotaryDim,
            OriginalMaxPositionEmbeddings = original,
        };
        if (type == RopeType.Default) return unscaled;
        return unscaled with
        {
            RopeType = type,
            Factor = Factor(source, type, original, maxPositions),
            AttentionFactor = source.PositiveDouble("attention_factor"),
            BetaFast = source.PositiveDouble("beta_fast") ?? unscaled.BetaFast,
            BetaSlow = source.PositiveDouble("beta_slow") ?? unscaled.BetaSlow,
            Mscale = source.Double("mscale"),
            MscaleAllDim = source.Double("mscale_all_dim"),
            Truncate = source.Bool("truncate") ?? unscaled.Truncate,
            LowFreqFactor = source.PositiveDouble("low_freq_factor") ?? unscaled.LowFreqFactor,
            HighFreqFactor = source.PositiveDouble("high_freq_factor") ?? unscaled.HighFreqFactor,
            ShortFactor = Factors(source, "short_factor", type, rotaryDim),
            LongFactor = Factors(source, "long_factor", type, rotaryDim),
        };
    }

    static RopeType Type(ConfigObject rope)
    {
        string key = rope.Contains("rope_type") ? "rope_type" : "type";
        return rope.String(key) switch
        {
            null or "default" => RopeType.Default,
            "linear" => RopeType.Linear,
            "dynamic" => RopeType.Dynamic,
            "yarn" => RopeType.Yarn,
            "longrope" or "su" => RopeType.LongRope, // su: the name of its first release
            "llama3" => RopeType.Llama3,
            _ => throw rope.Defect(key, "default, linear, dynamic, yarn, longrope or llama3"),
        };
    }

    static double Factor(ConfigObject rope, RopeType type, int original, int maxPositions)
    {
        double factor = rope.PositiveDouble("factor") ?? (type == RopeType.LongRope
            ? (double)maxPositions / original
            : throw rope.Defect("factor", "the factor of scaling"));
        return factor * maxPositions <= ModelLimits.MaxPositions
            ? factor
            : throw rope.Defect("factor", $"a context of at most {ModelLimits.MaxPositions:N0} when scaled");
    }

    static int RotaryDim(ConfigObject config, ConfigObject? rope, int headDim)
    {
        double share = rope?.Double("partial_rotary_factor")
            ?? config.Double("partial_rotary_factor") ?? config.Double("rotary_pct") ?? 1;
        double rotaryDim = Math.Floor(headDim * share);
        return share <= 1 && rotaryDim >= 2 && rotaryDim % 2 == 0
            ? (int)rotaryDim
            : throw config.Defect("partial_rotary_factor", "an even part of head_dim", $"{share} of {headDim}");
    }

    static int? OriginalMaxPositions(ConfigObject? source) =>
        source?.Int("original_max_position_embeddings", min: 1, max: ModelLimits.MaxPositions);

    static IReadOnlyList<double>? Factors(ConfigObject rope, string key, RopeType type, int rotaryDim)
    {
        if (type != RopeType.LongRope) return null;
        IReadOnlyList<double>? factors = rope.Doubles(key);
        return factors?.Count == rotaryDim / 2 && factors.All(factor => factor > 0)
            ? factors
            : throw rope.Defect(key, $"{rotaryDim / 2} numbers above zero");
    }
}
