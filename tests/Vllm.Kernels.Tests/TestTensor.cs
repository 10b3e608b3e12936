using Vllm.Kernels;
using Vllm.Kernels.Memory;

namespace Vllm.Tests;

/// <summary>An F32 tensor with memory of its own.</summary>
sealed class TestTensor : IDisposable
{
    readonly NativeBuffer _buffer;

    public TestTensor(int numRows, int numColumns)
    {
        _buffer = new NativeBuffer((long)numRows * numColumns * sizeof(float));
        Tensor = new Tensor(_buffer.Address, DType.F32, numRows, numColumns, numColumns);
    }

    public TestTensor(int numRows, int numColumns, Func<float> value) : this(numRows, numColumns)
    {
        foreach (ref float x in Span) x = value();
    }

    public Tensor Tensor { get; }

    public Span<float> Span => Tensor.AsSpan<float>();

    public static implicit operator Tensor(TestTensor tensor) => tensor.Tensor;

    public void Dispose() => _buffer.Dispose();
}

static class RandomExtensions
{
    /// <summary>A sample of the normal distribution.</summary>
    public static float NextNormal(this Random random, double deviation = 1) =>
        (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
