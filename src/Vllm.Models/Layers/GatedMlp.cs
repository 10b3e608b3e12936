using Vllm.Kernels;
using Vllm.Models.Architectures;

namespace Vllm.Models.Layers;

/// <summary>down(activation(gate(x)) * up(x)), gate and up in one product.</summary>
public sealed class GatedMlp
{
    readonly Device _device;
    readonly Weight _gateUpProj;
    readonly Weight _downProj;
    readonly Activation _activation;
    readonly GatedMlpBuffers _buffers;

    /// <param name="context">Model being built.</param>
    /// <param name="prefix">Checkpoint prefix: <c>model.layers.0.mlp.</c></param>
    /// <param name="buffers">Shared by all layers.</param>
    public GatedMlp(ModelContext context, string prefix, GatedMlpBuffers buffers)
    {
        ModelConfig config = context.Config;
        _device = context.Device;
        _buffers = buffers;
        _activation = ActivationOf(context);
        int width = config.IntermediateSize;
        _gateUpProj = context.Weights.FusedLinear(
            [(prefix + "gate_proj", width), (prefix + "up_proj", width)], config.HiddenSize);
        _downProj = context.Weights.FusedLinear([(prefix + "down_proj", config.HiddenSize)], width);
    }

    /// <summary>Both [numTokens, hiddenSize]; output may be x.</summary>
    public void Forward(Tensor x, Tensor output)
    {
        Tensor gateUp = _buffers.GateUp.Rows(x.NumRows);       // [numTokens, 2 * intermediateSize]
        Tensor activated = _buffers.Activated.Rows(x.NumRows); // [numTokens, intermediateSize]
        _device.Linear(x, _gateUpProj, gateUp);
        _device.GatedActivation(gateUp, _activation, activated);
        _device.Linear(activated, _downProj, output);
    }

    static Activation ActivationOf(ModelContext context) => context.Config.HiddenAct switch
    {
        "silu" or "swish" => Activation.Silu,
        "gelu" => Activation.Gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => Activation.GeluTanh,
        string other => throw context.Weights.Defect("hidden_act", "silu, gelu, gelu_new or gelu_pytorch_tanh", other),
    };
}

/// <summary>Activations inside a gated MLP, one set for all layers.</summary>
public sealed class GatedMlpBuffers(ModelContext context)
{
    /// <summary>[maxNumTokens, 2 * intermediateSize]</summary>
    public Tensor GateUp { get; } =
        context.Device.Allocate(DType.F32, context.MaxNumTokens, 2 * context.Config.IntermediateSize);

    /// <summary>[maxNumTokens, intermediateSize]</summary>
    public Tensor Activated { get; } =
        context.Device.Allocate(DType.F32, context.MaxNumTokens, context.Config.IntermediateSize);
}
