using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>
/// Leave to use tile registers, for the whole process. Their 8 KB are no part of a thread's state until the process has
/// asked for them. Linux is asked; Windows has a call of its own that no machine has tried here, and macOS runs on
/// no processor with tiles.
/// </summary>
static unsafe partial class TilePermission
{
    const nint ArchPrctl = 158; // of x86-64
    const nint GetSupported = 0x1021, RequestPermission = 0x1023;
    const int TileConfiguration = 17, TileData = 18; // bits of XCR0
    const ulong BothStates = 1ul << TileConfiguration | 1ul << TileData;

    /// <summary>Asks. Only a process on a processor with tiles may call it.</summary>
    /// <returns>Null, or why tiles cannot be used.</returns>
    public static string? Request()
    {
        if (!OperatingSystem.IsLinux()) return "tiles are used on Linux only";
        ulong supported = 0; // what the kernel switches between threads: the bits of XCR0
        if (SystemCall(ArchPrctl, GetSupported, (nint)(&supported)) != 0 || (supported & BothStates) != BothStates)
            return "the system does not support tile registers";
        return SystemCall(ArchPrctl, RequestPermission, TileData) == 0
            ? null
            : $"the system refused tile registers: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}";
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint operation, nint argument);
}
