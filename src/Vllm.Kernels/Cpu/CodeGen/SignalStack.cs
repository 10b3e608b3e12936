using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>
/// Room for signal handlers on threads that use tiles. Once a thread has used them, Linux puts 11 KB of registers on
/// the stack of each of its signal handlers. The runtime's stack for SIGSEGV, which it turns into
/// <see cref="NullReferenceException"/>, has 12 KB of room: such an exception would end the process.
/// </summary>
static unsafe partial class SignalStack
{
    const int StackBytes = 64 << 10;
    const int ReadAndWrite = 3, PrivateAnonymous = 0x22; // of mmap

    [ThreadStatic]
    static bool _isLarge;

    /// <summary>Of the calling thread, in bytes.</summary>
    public static nint Size
    {
        get
        {
            Stack stack;
            Check(SetSignalStack(null, &stack) == 0);
            return stack.SizeBytes;
        }
    }

    /// <summary>Gives the calling thread a large one, once. It is mapped, as the runtime may unmap what it finds at the
    /// thread's end; where it does not, the stack stays until the process ends.</summary>
    public static void Enlarge()
    {
        if (_isLarge) return;
        if (Size < StackBytes)
        {
            nint address = Map(0, StackBytes, ReadAndWrite, PrivateAnonymous, -1, 0);
            Check(address != -1);
            var stack = new Stack { Address = address, SizeBytes = StackBytes };
            Check(SetSignalStack(&stack, null) == 0);
        }

        _isLarge = true;
    }

    static void Check(bool succeeded)
    {
        if (!succeeded) throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    /// <summary>Linux's stack_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    struct Stack
    {
        public nint Address;
        public int Flags;
        public nint SizeBytes;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nint sizeBytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "sigaltstack", SetLastError = true)]
    private static partial int SetSignalStack(Stack* stack, Stack* old);
}
