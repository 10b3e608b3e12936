using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.Threading;

/// <summary>Linux's wait on a memory word, see <c>futex(2)</c>.</summary>
static unsafe partial class Futex
{
    const int WaitPrivate = 128;
    const int WakePrivate = 129;

    /// <summary>Number of the system call; 0 where there is none that we know.</summary>
    static readonly nint SystemCall = !OperatingSystem.IsLinux() ? 0 : RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 202,
        Architecture.Arm64 => 98,
        _ => 0,
    };

    public static bool IsSupported => SystemCall != 0;

    /// <summary>Sleeps while the word is <paramref name="value"/>; may return early.</summary>
    public static void Wait(int* word, int value) => Call(SystemCall, word, WaitPrivate, value, 0, 0, 0);

    public static void WakeAll(int* word) => Call(SystemCall, word, WakePrivate, int.MaxValue, 0, 0, 0);

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint Call(
        nint number, int* word, nint operation, nint value, nint timeout, nint word2, nint value3);
}
