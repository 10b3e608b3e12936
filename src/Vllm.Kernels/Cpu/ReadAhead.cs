using System.Runtime.InteropServices;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu;

/// <summary>A stretch of memory to fetch, in a list that ends in an entry that follows itself.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ReadAheadRange
{
    public const int StartOffset = 0, EndOffset = 8, NextOffset = 16;

    public byte* Start, End;
    public ReadAheadRange* Next;
}

/// <summary>Where a worker is in its list: emitted code reads and moves it. Two cache lines, as neighbours are fetched
/// in pairs.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
unsafe struct ReadAheadCursor
{
    public const int AddressOffset = 0, EndOffset = 8, NextOffset = 16;

    public byte* Address, End;
    public ReadAheadRange* Next;

    public readonly bool IsAtEnd => Address >= End && Next->Next == Next;
}

/// <summary>
/// Memory that operations to come will read, and that products fetch into the caches while they compute: a product of
/// many rows is bound by multiplications and leaves the memory idle, decoding attention is bound by memory. Nothing
/// that is computed depends on it.
/// </summary>
sealed unsafe class ReadAhead : IDisposable
{
    /// <summary>What is fetched has to stay in the last cache until it is used, beside weights and other processes'
    /// data: a quarter of the 32 MB that cores share on Zen 4 and Zen 5.</summary>
    const long MaxBytes = 8 << 20;

    const int MaxRanges = 4096;

    readonly int _numWorkers;
    readonly NativeBuffer _cursors;
    readonly NativeBuffer _ranges = new((MaxRanges + 1) * sizeof(ReadAheadRange));
    int _numRanges;
    long _numBytes;

    public ReadAhead(int numWorkers)
    {
        _numWorkers = numWorkers;
        _cursors = new NativeBuffer((long)numWorkers * sizeof(ReadAheadCursor));
        End();
    }

    ReadAheadRange* Ranges => (ReadAheadRange*)_ranges.Address;

    /// <summary>The worker's place.</summary>
    public ReadAheadCursor* Cursor(int worker) => (ReadAheadCursor*)_cursors.Address + worker;

    /// <summary>Whether the worker has fetched, or begun to fetch, all that was its share.</summary>
    public bool IsAtEnd(int worker) => Cursor(worker)->IsAtEnd;

    /// <summary>Forgets what is left and starts a list; <see cref="End"/> closes it. No worker runs meanwhile.</summary>
    public void Begin()
    {
        _numRanges = 0;
        _numBytes = 0;
    }

    /// <summary>Appends a range; false when there is no room for more.</summary>
    public bool TryAdd(nint start, long numBytes)
    {
        if (_numRanges == MaxRanges || _numBytes + numBytes > MaxBytes) return false;
        Ranges[_numRanges++] = new ReadAheadRange { Start = (byte*)start, End = (byte*)start + numBytes };
        _numBytes += numBytes;
        return true;
    }

    /// <summary>Deals the ranges out to the workers in turn.</summary>
    public void End()
    {
        ReadAheadRange* last = Ranges + _numRanges;
        // What is fetched beyond the list's end is what is in the cache already.
        byte* fetched = _numRanges > 0 ? Ranges->Start : (byte*)last;
        *last = new ReadAheadRange { Start = fetched, End = fetched, Next = last };
        for (int i = 0; i < _numRanges; i++) Ranges[i].Next = i + _numWorkers < _numRanges ? Ranges + i + _numWorkers : last;
        for (int worker = 0; worker < _numWorkers; worker++)
            *Cursor(worker) = new ReadAheadCursor { Next = worker < _numRanges ? Ranges + worker : last };
    }

    public void Dispose()
    {
        _cursors.Dispose();
        _ranges.Dispose();
    }
}
