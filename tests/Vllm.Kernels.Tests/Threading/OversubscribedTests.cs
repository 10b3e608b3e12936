using Vllm.Kernels;
using Vllm.Kernels.Cpu;
using Vllm.Kernels.Formats;
using Vllm.Tests.MatMul;

namespace Vllm.Tests.Threading;

/// <summary>Many more threads than cores, as on a machine with many cores whose processes share a few.</summary>
public class OversubscribedTests
{
    const int NumThreads = 16;
    const int NumTokens = 45;
    const int HiddenSize = 192;
    const int IntermediateSize = 320;

    [Fact]
    public void Operations_GiveTheBitsOfOneThread()
    {
        float[] expected = Compute(numThreads: 1);

        for (int repetition = 0; repetition < 3; repetition++)
            Assert.Equal(expected, Compute(NumThreads));
    }

    /// <summary>Some gated MLPs on top of each other.</summary>
    static float[] Compute(int numThreads)
    {
        using var device = new CpuDevice(numThreads);
        var random = new Random(3);
        using var hidden = new TestTensor(NumTokens, HiddenSize, () => random.NextNormal());
        using var residual = new TestTensor(NumTokens, HiddenSize, () => random.NextNormal());
        using var norm = new TestTensor(1, HiddenSize, () => 1 + random.NextNormal(0.1));
        using var gateUp = new TestTensor(NumTokens, 2 * IntermediateSize);
        using var activated = new TestTensor(NumTokens, IntermediateSize);
        using Weight up = device.CreateWeight(
            [new RandomMatrix(GgmlType.Q4_1, 2 * IntermediateSize, HiddenSize)], [], DType.BF16);
        using Weight down = device.CreateWeight(
            [new RandomMatrix(GgmlType.Q8_0, HiddenSize, IntermediateSize, seed: 2)], [], DType.BF16);
        device.BeginStep();
        for (int layer = 0; layer < 10; layer++)
        {
            device.AddRmsNorm(hidden, residual, norm, 1e-5f, hidden);
            device.Linear(hidden, up, gateUp);
            device.GatedActivation(gateUp, Activation.Silu, activated);
            device.Linear(activated, down, hidden);
        }
        device.EndStep();
        Assert.DoesNotContain(float.NaN, hidden.Span.ToArray());
        return hidden.Span.ToArray();
    }
}
