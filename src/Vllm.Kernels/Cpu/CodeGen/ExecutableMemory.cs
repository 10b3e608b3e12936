using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.CodeGen;

/// <summary>
/// Machine code in pages that are first writable, then executable, never both. Kernels lie close together, so that few
/// translations of code addresses serve all, but each in pages of its own, so that adding one never takes the right to
/// execute from another that runs.
/// </summary>
sealed unsafe partial class ExecutableMemory : IDisposable
{
    /// <summary>Room for some 200 kernels; only touched pages take memory.</summary>
    const nint ArenaBytes = 2 << 20;

    readonly List<nint> _arenas = [];
    readonly Lock _lock = new();
    nint _used = ArenaBytes;

    /// <summary>Copies position-independent code. Valid until <see cref="Dispose"/>.</summary>
    /// <returns>The address of its first instruction.</returns>
    public nint Add(ReadOnlySpan<byte> code)
    {
        nint pageBytes = Environment.SystemPageSize;
        nint sizeBytes = (code.Length + pageBytes - 1) / pageBytes * pageBytes;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, ArenaBytes, nameof(code));
        lock (_lock)
        {
            if (_used + sizeBytes > ArenaBytes)
            {
                _arenas.Add(Pages.Reserve(ArenaBytes));
                _used = 0;
            }

            nint address = _arenas[^1] + _used;
            _used += sizeBytes;
            Pages.MakeWritable(address, sizeBytes);
            code.CopyTo(new Span<byte>((void*)address, code.Length));
            Pages.MakeExecutable(address, sizeBytes);
            return address;
        }
    }

    public void Dispose()
    {
        foreach (nint arena in _arenas) Pages.Release(arena, ArenaBytes);
        _arenas.Clear();
        _used = ArenaBytes;
    }

    /// <summary>The operating system's pages.</summary>
    static partial class Pages
    {
        const int ProtectNone = 0, ProtectRead = 1, ProtectWrite = 2, ProtectExecute = 4;
        const int MapPrivate = 2;
        const uint Commit = 0x1000, ReserveOnly = 0x2000, ReleaseAll = 0x8000;
        const uint PageNoAccess = 0x01, PageReadWrite = 0x04, PageExecuteRead = 0x20;

        static readonly int MapAnonymous = OperatingSystem.IsMacOS() ? 0x1000 : 0x20;

        public static nint Reserve(nint sizeBytes)
        {
            nint address = OperatingSystem.IsWindows()
                ? VirtualAlloc(0, sizeBytes, ReserveOnly, PageNoAccess)
                : Map(0, sizeBytes, ProtectNone, MapPrivate | MapAnonymous, -1, 0);
            Check(address is not (0 or -1));
            return address;
        }

        public static void MakeWritable(nint address, nint sizeBytes) => Check(OperatingSystem.IsWindows()
            ? VirtualAlloc(address, sizeBytes, Commit, PageReadWrite) != 0
            : Protect(address, sizeBytes, ProtectRead | ProtectWrite) == 0);

        public static void MakeExecutable(nint address, nint sizeBytes) => Check(OperatingSystem.IsWindows()
            ? VirtualProtect(address, sizeBytes, PageExecuteRead, out _)
                && FlushInstructionCache(-1, address, sizeBytes)
            : Protect(address, sizeBytes, ProtectRead | ProtectExecute) == 0);

        public static void Release(nint address, nint sizeBytes) => Check(OperatingSystem.IsWindows()
            ? VirtualFree(address, 0, ReleaseAll)
            : Unmap(address, sizeBytes) == 0);

        static void Check(bool succeeded)
        {
            if (!succeeded) throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
        private static partial nint Map(nint address, nint sizeBytes, int protection, int flags, int file, nint offset);

        [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
        private static partial int Protect(nint address, nint sizeBytes, int protection);

        [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
        private static partial int Unmap(nint address, nint sizeBytes);

        [LibraryImport("kernel32", SetLastError = true)]
        private static partial nint VirtualAlloc(nint address, nint sizeBytes, uint type, uint protection);

        [LibraryImport("kernel32", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool VirtualProtect(nint address, nint sizeBytes, uint protection, out uint old);

        [LibraryImport("kernel32", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool VirtualFree(nint address, nint sizeBytes, uint type);

        [LibraryImport("kernel32", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool FlushInstructionCache(nint process, nint address, nint sizeBytes);
    }
}
