namespace Vllm.Kernels.Memory;

/// <summary>Hands out zeroed native memory from large pieces, so that huge pages back what is smaller than one: the
/// weights of a small model are 0.2 to 2 MB each, and one token of it reads them all. Everything is freed at once.</summary>
public sealed class NativeArena : IDisposable
{
    /// <summary>Untouched pages of a piece take no memory.</summary>
    const long PieceBytes = 64 << 20;

    const long CacheLine = 64;

    readonly List<NativeBuffer> _pieces = [];
    long _usedBytes; // of the last piece

    /// <summary>Address of sizeBytes zeros, aligned to a cache line; valid until <see cref="Dispose"/>.</summary>
    public nint Allocate(long sizeBytes)
    {
        if (_pieces.Count == 0 || _usedBytes + sizeBytes > _pieces[^1].SizeBytes)
        {
            _pieces.Add(new NativeBuffer(Math.Max(PieceBytes, sizeBytes)));
            _usedBytes = 0;
        }

        nint address = _pieces[^1].Address + (nint)_usedBytes;
        _usedBytes += (sizeBytes + CacheLine - 1) / CacheLine * CacheLine;
        return address;
    }

    public void Dispose()
    {
        foreach (NativeBuffer piece in _pieces) piece.Dispose();
        _pieces.Clear();
    }
}
