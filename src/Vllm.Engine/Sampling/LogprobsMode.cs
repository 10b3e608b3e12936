namespace Vllm;

/// <summary>Which numbers are reported as logprobs (<c>--logprobs-mode</c>).</summary>
public enum LogprobsMode
{
    /// <summary>Log-softmax of the model's logits.</summary>
    RawLogprobs,

    /// <summary>Log-softmax after all processing, temperature, min-p, top-k and top-p.</summary>
    ProcessedLogprobs,

    /// <summary>The model's logits.</summary>
    RawLogits,

    /// <summary>The logits after all processing.</summary>
    ProcessedLogits,
}
