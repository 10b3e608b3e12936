namespace Vllm.Models.Loading;

/// <summary>An architecture of GGUF files, and what it is in Hugging Face checkpoints.</summary>
/// <param name="Name">Value of <c>general.architecture</c>, and prefix of the model's keys.</param>
/// <param name="HfClass">Class in transformers.</param>
/// <param name="ModelType"><c>model_type</c> in config.json.</param>
/// <param name="InterleavesQk">Rows of q and k are stored to rotate neighbours (see <see cref="RowMap"/>).</param>
sealed record GgufArchitecture(string Name, string HfClass, string ModelType, bool InterleavesQk);

/// <summary>
/// The architectures that are read from GGUF, and the names of their tensors. Another one is a row here.
/// </summary>
static class GgufArchitectures
{
    const string ArchitectureKey = "general.architecture";
    const string LayerPrefix = "blk.";

    static readonly GgufArchitecture[] All =
    [
        new("llama", "LlamaForCausalLM", "llama", InterleavesQk: true), // and Mistral, which is written as llama
        new("qwen2", "Qwen2ForCausalLM", "qwen2", InterleavesQk: false),
        new("qwen3", "Qwen3ForCausalLM", "qwen3", InterleavesQk: false),
    ];

    static readonly Dictionary<string, string> ModelTensors = new(StringComparer.Ordinal)
    {
        ["token_embd"] = "model.embed_tokens",
        ["output_norm"] = "model.norm",
        ["output"] = "lm_head",
    };

    static readonly Dictionary<string, string> LayerTensors = new(StringComparer.Ordinal)
    {
        ["attn_norm"] = "input_layernorm",
        ["attn_q"] = "self_attn.q_proj",
        ["attn_k"] = "self_attn.k_proj",
        ["attn_v"] = "self_attn.v_proj",
        ["attn_q_norm"] = "self_attn.q_norm",
        ["attn_k_norm"] = "self_attn.k_norm",
        ["attn_output"] = "self_attn.o_proj",
        ["ffn_norm"] = "post_attention_layernorm",
        ["ffn_gate"] = "mlp.gate_proj",
        ["ffn_up"] = "mlp.up_proj",
        ["ffn_down"] = "mlp.down_proj",
    };

    public static GgufArchitecture Of(GgufKeys keys)
    {
        string? name = keys.String(ArchitectureKey);
        return All.FirstOrDefault(architecture => architecture.Name == name)
            ?? throw keys.Defect(ArchitectureKey, string.Join(", ", All.Select(architecture => architecture.Name)));
    }

    /// <summary>
    /// The Hugging Face name of <c>blk.7.attn_q.weight</c> or <c>output_norm.weight</c>; a name that is not known
    /// (<c>rope_freqs.weight</c>) stays.
    /// </summary>
    public static string HfName(string name)
    {
        int suffix = name.LastIndexOf('.');
        if (suffix < 0) return name;
        if (ModelTensors.TryGetValue(name[..suffix], out string? modelTensor)) return modelTensor + name[suffix..];
        if (!name.StartsWith(LayerPrefix, StringComparison.Ordinal)) return name;
        int layerEnd = name.IndexOf('.', LayerPrefix.Length);
        if (layerEnd < 0 || layerEnd >= suffix) return name;
        return LayerTensors.TryGetValue(name[(layerEnd + 1)..suffix], out string? layerTensor)
            ? $"model.layers.{name[LayerPrefix.Length..layerEnd]}.{layerTensor}{name[suffix..]}"
            : name;
    }
}
