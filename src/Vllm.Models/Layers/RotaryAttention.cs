using Vllm.Kernels;
using Vllm.Models.Architectures;

namespace Vllm.Models.Layers;

/// <summary>Attention with rotary positions over grouped key/value heads: q, k and v in one product, rotation and
/// cache write in one operation.</summary>
public sealed class RotaryAttention
{
    readonly Device _device;
    readonly Weight _qkvProj;
    readonly Weight _oProj;
    readonly Tensor _cosSin; // [maxModelLen, rotaryDim]
    readonly AttentionBuffers _buffers;
    readonly int _layer;
    readonly AttentionParameters _parameters;
    readonly int _qSize;
    readonly int _kvSize;

    /// <param name="context">Model being built.</param>
    /// <param name="prefix">Checkpoint prefix: <c>model.layers.0.self_attn.</c></param>
    /// <param name="layer">Layer of the KV cache.</param>
    /// <param name="cosSin">Table of <see cref="RotaryEmbedding"/>.</param>
    /// <param name="buffers">Shared by all layers.</param>
    public RotaryAttention(ModelContext context, string prefix, int layer, Tensor cosSin, AttentionBuffers buffers)
    {
        ModelConfig config = context.Config;
        _device = context.Device;
        _layer = layer;
        _cosSin = cosSin;
        _buffers = buffers;
        _parameters = new AttentionParameters
        {
            Scale = 1 / MathF.Sqrt(config.HeadDim),
            Window = config.LayerTypes[layer] == LayerType.SlidingAttention ? config.SlidingWindow!.Value : 0,
        };
        _qSize = config.NumAttentionHeads * config.HeadDim;
        _kvSize = config.NumKvHeads * config.HeadDim;
        _qkvProj = context.Weights.FusedLinear(
            [(prefix + "q_proj", _qSize), (prefix + "k_proj", _kvSize), (prefix + "v_proj", _kvSize)], config.HiddenSize);
        _oProj = context.Weights.FusedLinear([(prefix + "o_proj", config.HiddenSize)], _qSize);
    }

    /// <summary>output = attention of x. Both [numTokens, hiddenSize]; output may be x.</summary>
    public void Forward(Tensor x, KvCache cache, AttentionMetadata metadata, Tensor output)
    {
        Tensor qkv = _buffers.Qkv.Rows(x.NumRows);          // [numTokens, qSize + 2 * kvSize]
        Tensor attended = _buffers.Attended.Rows(x.NumRows); // [numTokens, qSize]
        Tensor q = qkv.Columns(0, _qSize);
        _device.Linear(x, _qkvProj, qkv);
        _device.RotaryAndCache(
            q, qkv.Columns(_qSize, _kvSize), qkv.Columns(_qSize + _kvSize, _kvSize), _cosSin, cache, _layer, metadata);
        _device.Attention(q, cache, _layer, metadata, _parameters, attended);
        _device.Linear(attended, _oProj, output);
    }
}

/// <summary>Activations inside an attention layer, one set for all layers.</summary>
public sealed class AttentionBuffers(ModelContext context)
{
    /// <summary>[maxNumTokens, (numHeads + 2 * numKvHeads) * headDim]</summary>
    public Tensor Qkv { get; } = context.Device.Allocate(
        DType.F32, context.MaxNumTokens,
        (context.Config.NumAttentionHeads + 2 * context.Config.NumKvHeads) * context.Config.HeadDim);

    /// <summary>[maxNumTokens, numHeads * headDim]</summary>
    public Tensor Attended { get; } = context.Device.Allocate(
        DType.F32, context.MaxNumTokens, context.Config.NumAttentionHeads * context.Config.HeadDim);
}
