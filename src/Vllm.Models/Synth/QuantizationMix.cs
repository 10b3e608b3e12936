using Vllm.Kernels.Formats;

namespace Vllm.Models.Synth;

/// <summary>
/// Which type each matrix of a GGUF file gets, by the name of the whole: <c>Q4_K_M</c> is mostly Q4_K with some Q6_K.
/// The rules are those of llama.cpp's quantizer (src/llama-quant.cpp, <c>llama_tensor_get_type_impl</c> and
/// <c>tensor_type_fallback</c>, of 2026) for dense models of the llama architecture without importance matrix.
/// </summary>
/// <param name="Name">As <c>llama-quantize</c> takes it.</param>
/// <param name="Main">The type of every matrix without a rule.</param>
/// <param name="FileType"><c>general.file_type</c>, llama.h's <c>enum llama_ftype</c>; null where it has none.</param>
public sealed record QuantizationMix(string Name, GgmlType Main, uint? FileType)
{
    public static IReadOnlyList<QuantizationMix> All { get; } =
    [
        new("F32", GgmlType.F32, 0),
        new("F16", GgmlType.F16, 1),
        new("BF16", GgmlType.BF16, 32),
        new("Q8_0", GgmlType.Q8_0, 7),
        new("Q4_0", GgmlType.Q4_0, 2),
        new("Q4_1", GgmlType.Q4_1, 3),
        new("Q5_0", GgmlType.Q5_0, 8),
        new("Q5_1", GgmlType.Q5_1, 9),
        new("Q2_K", GgmlType.Q2_K, 10),
        new("Q3_K_S", GgmlType.Q3_K, 11),
        new("Q3_K_M", GgmlType.Q3_K, 12),
        new("Q3_K_L", GgmlType.Q3_K, 13),
        new("Q4_K_S", GgmlType.Q4_K, 14),
        new("Q4_K_M", GgmlType.Q4_K, 15),
        new("Q5_K_S", GgmlType.Q5_K, 16),
        new("Q5_K_M", GgmlType.Q5_K, 17),
        new("Q6_K", GgmlType.Q6_K, 18),
        new("IQ4_NL", GgmlType.IQ4_NL, 25),
        new("IQ4_XS", GgmlType.IQ4_XS, 30),
        new("TQ1_0", GgmlType.TQ1_0, 36),
        new("TQ2_0", GgmlType.TQ2_0, 37),
        // llama.cpp's mixes of these are for experts; here every matrix has the type.
        new("MXFP4", GgmlType.MXFP4, null),
        new("Q1_0", GgmlType.Q1_0, null),
        new("Q2_0", GgmlType.Q2_0, null),
    ];

    bool IsQuantized => Main is not (GgmlType.F32 or GgmlType.F16 or GgmlType.BF16);

    /// <summary>The type of a matrix.</summary>
    /// <param name="tensor">GGUF's name without layer prefix and suffix: <c>attn_v</c>.</param>
    /// <param name="layer">Its layer.</param>
    /// <param name="numInputs">Length of its rows; where they are no whole blocks another type steps in.</param>
    /// <param name="shape">The model.</param>
    internal GgmlType TypeOf(string tensor, int layer, int numInputs, ModelShape shape) =>
        !IsQuantized ? Main : Fallback(ByRule(tensor, layer, numInputs, shape), numInputs);

    GgmlType ByRule(string tensor, int layer, int numInputs, ModelShape shape) => tensor switch
    {
        "output" => Output(numInputs),
        "token_embd" when shape.TiesEmbeddings => Output(numInputs),
        "token_embd" => Name is "TQ1_0" or "TQ2_0" ? GgmlType.Q4_K : Main,
        "attn_v" => AttentionV(layer, shape),
        "attn_output" => Name switch
        {
            "Q2_K" => GgmlType.Q3_K,
            "Q3_K_M" => GgmlType.Q4_K,
            "Q3_K_L" => GgmlType.Q5_K,
            _ => Main,
        },
        "ffn_down" => FfnDown(layer, shape.NumLayers),
        _ => Main,
    };

    GgmlType Output(int numInputs) =>
        Main == GgmlType.Q8_0 || Name == "MXFP4" || !IsWholeBlocks(Main, numInputs) ? GgmlType.Q8_0 : GgmlType.Q6_K;

    GgmlType AttentionV(int layer, ModelShape shape)
    {
        bool sharesHeads = shape.NumHeads / shape.NumKvHeads >= 4;
        return Name switch
        {
            "Q2_K" => sharesHeads ? GgmlType.Q4_K : GgmlType.Q3_K,
            "Q3_K_M" => layer < 2 ? GgmlType.Q5_K : GgmlType.Q4_K,
            "Q3_K_L" => GgmlType.Q5_K,
            "Q4_K_S" when layer < 4 => GgmlType.Q5_K,
            "Q4_K_M" or "Q5_K_M" when UsesMoreBits(layer, shape.NumLayers) => GgmlType.Q6_K,
            "IQ4_NL" or "IQ4_XS" when sharesHeads => GgmlType.Q5_K,
            _ => Main,
        };
    }

    GgmlType FfnDown(int layer, int numLayers) => Name switch
    {
        "Q2_K" => GgmlType.Q3_K,
        "Q3_K_M" => layer < numLayers / 16 ? GgmlType.Q5_K : GgmlType.Q4_K,
        "Q3_K_L" => GgmlType.Q5_K,
        "Q4_K_S" or "IQ4_NL" or "IQ4_XS" when layer < numLayers / 8 => GgmlType.Q5_K,
        "Q4_K_M" or "Q5_K_M" when UsesMoreBits(layer, numLayers) => GgmlType.Q6_K,
        _ => Main,
    };

    /// <summary>The first and last eighth of the layers, and every third between.</summary>
    static bool UsesMoreBits(int layer, int numLayers) =>
        layer < numLayers / 8 || layer >= 7 * numLayers / 8 || (layer - numLayers / 8) % 3 == 2;

    static GgmlType Fallback(GgmlType type, int numInputs)
    {
        if (IsWholeBlocks(type, numInputs)) return type;
        GgmlType smaller = type switch
        {
            GgmlType.Q2_K or GgmlType.Q3_K or GgmlType.IQ4_XS => GgmlType.IQ4_NL,
            GgmlType.Q4_K => GgmlType.Q5_0,
            GgmlType.Q5_K => GgmlType.Q5_1,
            GgmlType.Q6_K => GgmlType.Q8_0,
            _ => GgmlType.Q4_0, // the ternary ones
        };
        return IsWholeBlocks(smaller, numInputs) ? smaller : GgmlType.F16;
    }

    static bool IsWholeBlocks(GgmlType type, int numInputs) => numInputs % GgmlTypes.Block(type).NumValues == 0;
}
