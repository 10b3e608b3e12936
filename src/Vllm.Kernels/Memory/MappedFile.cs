using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Vllm.Kernels.Memory;

/// <summary>
/// A file mapped read-only into memory. Its bytes stay valid until <see cref="Dispose"/>; spans taken before must not
/// be used after. Opening throws what <see cref="File"/> throws (<see cref="IOException"/>,
/// <see cref="UnauthorizedAccessException"/>).
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    readonly MemoryMappedFile? _map;
    readonly MemoryMappedViewAccessor? _view;
    byte* _start;

    public MappedFile(string path)
    {
        Path = path;
        using SafeFileHandle handle = File.OpenHandle(path, options: FileOptions.RandomAccess);
        Length = RandomAccess.GetLength(handle);
        if (Length == 0) return; // the system refuses to map nothing
        _map = MemoryMappedFile.CreateFromFile(
            handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    public string Path { get; }

    public long Length { get; }

    public MappedBytes Bytes => new(this, 0, Length);

    internal byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start == null && Length > 0, this);
            return _start;
        }
    }

    public void Dispose()
    {
        if (_start == null) return;
        _start = null;
        _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map!.Dispose();
    }
}

/// <summary>A range of a <see cref="MappedFile"/>; keeps the file alive, and is checked against its disposal.</summary>
public readonly unsafe struct MappedBytes
{
    readonly MappedFile _file;
    readonly long _offset;

    internal MappedBytes(MappedFile file, long offset, long length)
    {
        _file = file;
        _offset = offset;
        Length = length;
    }

    public long Length { get; }

    /// <summary>Address of the first byte, for kernels. Valid until the file is disposed.</summary>
    public nint Pointer => (nint)(_file.Start + _offset);

    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        Check(offset, length);
        return new(_file.Start + _offset + offset, length);
    }

    public MappedBytes Slice(long offset, long length)
    {
        Check(offset, length);
        return new(_file, _offset + offset, length);
    }

    void Check(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
    }
}
