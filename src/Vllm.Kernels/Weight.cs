namespace Vllm.Kernels;

/// <summary>A matrix [<see cref="NumOutputs"/>, <see cref="NumInputs"/>] on a device, packed for its kernels.</summary>
public abstract class Weight(string name, int numOutputs, int numInputs) : IDisposable
{
    /// <summary>The checkpoint's name, for messages.</summary>
    public string Name { get; } = name;

    public int NumOutputs { get; } = numOutputs;

    public int NumInputs { get; } = numInputs;

    /// <summary>Bytes that the packed form takes.</summary>
    public abstract long SizeBytes { get; }

    /// <summary>How it is stored and multiplied, for logs: "int4 g32 + min", "bf16", ….</summary>
    public abstract string Format { get; }

    public abstract void Dispose();
}
