using Vllm.Kernels.Cpu;

namespace Vllm.Tests;

public class KernelChoiceTests
{
    [Fact]
    public void KernelChoices_NameEachOperationOnce()
    {
        using var device = new CpuDevice(1);

        string[] operations = [.. device.KernelChoices.Select(choice => choice.Operation).Distinct()];

        Assert.Equal(["MATMUL", "ATTENTION", "RMSNORM", "ROPE", "ACTIVATION", "SAMPLING"], operations);
    }

    [Fact]
    public void Choice_SaysWhatItWasChosenFrom()
    {
        var variants = new KernelVariants<int>(
            "TEST", new("fast", false, 1), new("middle", true, 2), new("slow", true, 3));

        Assert.Equal(new KernelChoice("TEST", "middle", "first of middle, slow"), variants.Choice);
    }

    [Fact]
    public void Choice_OfAForcedVariant_NamesTheVariable()
    {
        Environment.SetEnvironmentVariable("VLLM_KERNEL_TEST_FORCED", "slow");
        var variants = new KernelVariants<int>("TEST_FORCED", new("fast", true, 1), new("slow", true, 2));

        Assert.Equal("VLLM_KERNEL_TEST_FORCED, of fast, slow", variants.Choice.Reason);
    }
}
