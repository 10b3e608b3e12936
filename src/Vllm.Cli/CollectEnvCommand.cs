using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Vllm.Cli.CommandLine;
using Vllm.Kernels.Cpu;

namespace Vllm.Cli;

sealed record CollectEnvArguments : CommandArguments;

/// <summary><c>vllm collect-env</c>: what a bug report should say about program and machine.</summary>
static class CollectEnvCommand
{
    public static Command<CollectEnvArguments> Command { get; } = new(
        "collect-env", "Describes program and machine, for bug reports.", new CollectEnvArguments(), [], Run);

    static Task<int> Run(CollectEnvArguments arguments)
    {
        using var device = new CpuDevice();
        foreach ((string name, string value) in Facts(device)) Console.Out.WriteLine($"{name,-13} {value}");
        return Task.FromResult(0);
    }

    static IEnumerable<(string, string)> Facts(CpuDevice device)
    {
        yield return ("vllm", ProgramVersion.Text);
        yield return (".NET", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}");
        yield return ("System", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}");
        yield return ("CPU", CpuModel());
        yield return ("Device", $"{device.Name}, {Environment.ProcessorCount} logical processors");
        double gib = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30);
        yield return ("Memory", string.Create(CultureInfo.InvariantCulture, $"{gib:F1} GiB"));
        IEnumerable<string> features = Features().Where(feature => feature.IsSupported).Select(feature => feature.Name);
        yield return ("CPU features", string.Join(' ', features));
        foreach (KernelChoice choice in device.KernelChoices)
            yield return (choice.Operation, $"{choice.Variant} ({choice.Reason})");
        IReadOnlyDictionary<string, string> set = EnvironmentVariables.OfProcess();
        foreach ((string variable, string value) in set.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            yield return (variable, variable.EndsWith("_KEY", StringComparison.Ordinal) ? "(set)" : value);
    }

    static string CpuModel()
    {
        const string CpuFile = "/proc/cpuinfo";
        string? line = File.Exists(CpuFile)
            ? File.ReadLines(CpuFile).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return line is null ? "unknown" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }

    /// <summary>Those that kernels choose by.</summary>
    static IEnumerable<(string Name, bool IsSupported)> Features() =>
    [
        ("avx2", Avx2.IsSupported),
        ("fma", Fma.IsSupported),
        ("avx512f", Avx512F.IsSupported),
        ("avx512bw", Avx512BW.IsSupported),
        ("avx512dq", Avx512DQ.IsSupported),
        ("avx512vl", Avx512F.VL.IsSupported),
        ("avx512_vnni", CpuIdBit(7, 0, register: 2, bit: 11)),
        ("avx512_bf16", CpuIdBit(7, 1, register: 0, bit: 5)),
        ("avx_vnni", CpuIdBit(7, 1, register: 0, bit: 4)),
        ("amx_bf16", CpuIdBit(7, 0, register: 3, bit: 22)),
        ("amx_int8", CpuIdBit(7, 0, register: 3, bit: 25)),
        ("neon", AdvSimd.IsSupported),
        ("dotprod", Dp.IsSupported),
    ];

    /// <summary>Registers 0…3 are EAX, EBX, ECX and EDX.</summary>
    static bool CpuIdBit(int leaf, int subleaf, int register, int bit)
    {
        if (!X86Base.IsSupported) return false;
        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId(leaf, subleaf);
        ReadOnlySpan<int> registers = [eax, ebx, ecx, edx];
        return (registers[register] >> bit & 1) != 0;
    }
}
