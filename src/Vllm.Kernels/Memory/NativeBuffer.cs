using System.Runtime.InteropServices;

namespace Vllm.Kernels.Memory;

/// <summary>Zeroed native memory, aligned to 2 MiB when large so that huge pages can back it. Whoever creates it
/// disposes it; tensors over it are views.</summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    /// <summary>A huge page of x86-64 and Arm64 Linux.</summary>
    const nuint HugePage = 2 << 20;

    const nuint CacheLine = 64;

    void* _address;

    public NativeBuffer(long sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeBytes);
        SizeBytes = sizeBytes;
        _address = NativeMemory.AlignedAlloc((nuint)Math.Max(sizeBytes, 1), (nuint)sizeBytes >= HugePage ? HugePage : CacheLine);
        NativeMemory.Clear(_address, (nuint)sizeBytes);
    }

    ~NativeBuffer() => Free();

    public long SizeBytes { get; }

    /// <summary>Address of the first byte; valid until <see cref="Dispose"/>.</summary>
    public nint Address => (nint)_address;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    void Free()
    {
        NativeMemory.AlignedFree(_address);
        _address = null;
    }
}
