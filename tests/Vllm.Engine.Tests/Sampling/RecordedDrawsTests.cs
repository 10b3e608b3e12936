using System.Text.Json;
using Vllm.Kernels.Cpu.Sampling;

namespace Vllm.Tests.Sampling;

/// <summary>The exponential race with given noise, against tokens recorded from vLLM.</summary>
public class RecordedDrawsTests
{
    public static TheoryData<string> Cases() => SamplingCase.Names("draws");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Race_TakesRecordedTokens(string name)
    {
        SamplingCase recorded = SamplingCase.Load("draws", name);
        int vocabSize = recorded.VocabSize;
        float[] probs = recorded.Tensors.Floats("probs"), noise = recorded.Tensors.Floats("exponential");
        int[] tokens = SamplingCase.ReadInts(recorded.Json.GetProperty("tokens"));

        foreach (SamplingKernelsVariant variant in SamplingKernels.Variants.Where(v => v.IsSupported))
            for (int row = 0; row < tokens.Length; row++)
                Assert.Equal(tokens[row], variant.Kernels.Race(
                    probs.AsSpan(row * vocabSize, vocabSize), noise.AsSpan(row * vocabSize, vocabSize)));
    }
}
