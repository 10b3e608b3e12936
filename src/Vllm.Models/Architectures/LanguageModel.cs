using Vllm.Kernels;

namespace Vllm.Models.Architectures;

/// <summary>A decoder that turns tokens into logits on a device. Not thread-safe: one thread runs it.</summary>
public abstract class LanguageModel(ModelConfig config, Device device) : IDisposable
{
    public ModelConfig Config { get; } = config;

    protected Device Device { get; } = device;

    /// <summary>Bytes of the packed weights.</summary>
    public abstract long WeightBytes { get; }

    /// <summary>How the weights are stored, for the log: "int4 g32 + min".</summary>
    public abstract string WeightFormat { get; }

    /// <summary>Runs the layers on the step's tokens and writes their keys and values to the cache.</summary>
    /// <param name="tokenIds">[numTokens], requests one after another.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="metadata">Where the tokens stand.</param>
    /// <returns>[numTokens, hiddenSize], after the final norm; valid until the next call.</returns>
    public abstract Tensor Forward(ReadOnlySpan<int> tokenIds, KvCache cache, AttentionMetadata metadata);

    /// <summary>logits = LM head of the given rows of <see cref="Forward"/>'s result.</summary>
    /// <param name="hiddenStates">[numTokens, hiddenSize].</param>
    /// <param name="rows">Rows to compute; at most the maximum given at creation.</param>
    /// <returns>[rows.Length, vocabSize]; valid until the next call.</returns>
    public abstract Tensor ComputeLogits(Tensor hiddenStates, ReadOnlySpan<int> rows);

    public abstract void Dispose();
}

/// <summary>What a model needs to be built.</summary>
/// <param name="Config">The checkpoint's configuration.</param>
/// <param name="Device">Where it is to run.</param>
/// <param name="Weights">The checkpoint's tensors.</param>
/// <param name="MaxModelLen">Longest sequence: sizes the rotary table.</param>
/// <param name="MaxNumTokens">Most tokens of a step: sizes the activations.</param>
/// <param name="MaxNumLogits">Most rows of logits at once.</param>
public sealed record ModelContext(
    ModelConfig Config, Device Device, Loading.WeightLoader Weights, int MaxModelLen, int MaxNumTokens, int MaxNumLogits);
