using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>What emitted code may use. The runtime's own switches (<c>DOTNET_EnableAVX512=0</c>) count.</summary>
static class CpuFeatures
{
    /// <summary>AVX-512 F, BW, DQ and VL: the base of all emitted kernels.</summary>
    public static bool HasAvx512 { get; } =
        Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported && Avx512F.VL.IsSupported && Environment.Is64BitProcess;

    /// <summary>512-bit <c>vpdpbusd</c>.</summary>
    public static bool HasAvx512Vnni { get; } = HasAvx512 && (X86Base.CpuId(7, 0).Ecx >> 11 & 1) != 0;

    /// <summary>512-bit <c>vdpbf16ps</c>.</summary>
    public static bool HasAvx512Bf16 { get; } = HasAvx512 && (X86Base.CpuId(7, 1).Eax >> 5 & 1) != 0;

    /// <summary>Whether the processor has tiles and their int8 products (amx_tile, amx_int8).</summary>
    static bool CanAmxInt8 { get; } = HasAvx512Vnni && (X86Base.CpuId(7, 0).Edx >> 24 & 3) == 3;

    /// <summary>Why the system does not let this process use the processor's tiles; null where it does, or where there
    /// are none.</summary>
    public static string? TileRefusal { get; } = CanAmxInt8 ? TilePermission.Request() : null;

    /// <summary>AMX int8 products, permitted by the system.</summary>
    public static bool HasAmxInt8 { get; } = CanAmxInt8 && TileRefusal is null;

    /// <summary>AMX bf16 products, permitted by the system.</summary>
    public static bool HasAmxBf16 { get; } = HasAmxInt8 && (X86Base.CpuId(7, 0).Edx >> 22 & 1) != 0;
}
