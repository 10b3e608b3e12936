using Vllm.Models;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

/// <summary>Asks a checkpoint for every tensor of a dense Llama-like model, as a model does when it is built.</summary>
static class LlamaWeights
{
    public static void ReadAll(Checkpoint checkpoint)
    {
        ModelConfig config = checkpoint.Config;
        Read("model.embed_tokens.weight", config.VocabSize, config.HiddenSize);
        Read("model.norm.weight", config.HiddenSize);
        if (!config.TieWordEmbeddings) Read("lm_head.weight", config.VocabSize, config.HiddenSize);
        for (int layer = 0; layer < config.NumHiddenLayers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            int queryDim = config.NumAttentionHeads * config.HeadDim, keyDim = config.NumKvHeads * config.HeadDim;
            Read(prefix + "input_layernorm.weight", config.HiddenSize);
            Read(prefix + "self_attn.q_proj.weight", queryDim, config.HiddenSize);
            Read(prefix + "self_attn.k_proj.weight", keyDim, config.HiddenSize);
            Read(prefix + "self_attn.v_proj.weight", keyDim, config.HiddenSize);
            Read(prefix + "self_attn.o_proj.weight", config.HiddenSize, queryDim);
            Read(prefix + "post_attention_layernorm.weight", config.HiddenSize);
            Read(prefix + "mlp.gate_proj.weight", config.IntermediateSize, config.HiddenSize);
            Read(prefix + "mlp.up_proj.weight", config.IntermediateSize, config.HiddenSize);
            Read(prefix + "mlp.down_proj.weight", config.HiddenSize, config.IntermediateSize);
        }

        void Read(string name, params ReadOnlySpan<int> shape) => checkpoint.Get(name, shape).ToArray();
    }
}
