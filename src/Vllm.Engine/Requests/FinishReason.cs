namespace Vllm.Engine.Requests;

/// <summary>Why a request ended; the wire names are vLLM's (<c>stop</c>, <c>length</c>, <c>abort</c>, <c>error</c>).</summary>
public enum FinishReason
{
    /// <summary>End-of-sequence token, stop token or stop string.</summary>
    Stop,

    /// <summary><c>max_tokens</c> or the model's length reached.</summary>
    Length,

    /// <summary>The client went away or asked for the end.</summary>
    Abort,

    /// <summary>The request failed inside the engine; <see cref="RequestOutput.Error"/> says why.</summary>
    Error,

    /// <summary>A pattern repeated itself (<c>repetition_detection</c>).</summary>
    Repetition,
}
