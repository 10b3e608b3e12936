using System.Diagnostics;
using System.Reflection;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Tests.MatMul;

/// <summary>The matrix product on machines with less: in child processes whose runtime is told so.</summary>
public class OtherMachinesTests
{
    const string BestVariant = "VLLM_TEST_BEST_VARIANT";

    [Theory]
    [InlineData("DOTNET_EnableAVX512", "vector256")]
    [InlineData("DOTNET_EnableHWIntrinsic", "scalar")]
    public void MatMulTests_PassWithout(string runtimeSwitch, string bestVariant)
    {
        if (Environment.GetEnvironmentVariable(BestVariant) is not null) return;
        string assembly = Assembly.GetExecutingAssembly().Location;
        string tests = typeof(OtherMachinesTests).Namespace!;
        var start = new ProcessStartInfo("dotnet", [assembly, "--filter-namespace", tests, "--progress", "off"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[runtimeSwitch] = "0";
        start.Environment[BestVariant] = bestVariant;

        using Process child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();

        Assert.True(child.ExitCode == 0, output);
    }

    [Fact]
    public void BestVariant_IsWhatTheRuntimeAllows()
    {
        using var team = new WorkerTeam(1);
        using var kernel = new MatMulKernel(team);
        MatMulVariant[] variants = MatMulVariant.CreateAll();
        string? expected = Environment.GetEnvironmentVariable(BestVariant);

        Assert.All(PanelFormat.All, format => Assert.Equal(
            expected ?? variants.First(variant => variant.Supports(format)).Name, kernel.VariantName(format)));
        foreach (MatMulVariant variant in variants) variant.Dispose();
    }
}
