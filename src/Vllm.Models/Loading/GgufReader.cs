using System.Buffers.Binary;
using System.Text;

namespace Vllm.Models.Loading;

/// <summary>
/// Reads the primitive values of a GGUF header one after another. Every length is checked against the bytes that are
/// left before anything is allocated or skipped.
/// </summary>
ref struct GgufReader(string file, ReadOnlySpan<byte> bytes, int position = 0)
{
    readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; } = position;

    /// <summary>What is being read, for messages.</summary>
    public string Subject { get; set; } = "header";

    public readonly int Remaining => _bytes.Length - Position;

    public byte Byte() => Take(1)[0];

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public string String() => Encoding.UTF8.GetString(Take(UInt64()));

    public void SkipString() => Take(UInt64());

    /// <summary>A number of things that take at least <paramref name="minSizeBytes"/> each in the file.</summary>
    public int Count(int minSizeBytes)
    {
        ulong count = UInt64();
        if (count > (ulong)(Remaining / minSizeBytes))
            throw Defect($"a count of at most {Remaining / minSizeBytes} in the {Remaining:N0} bytes left", $"{count}");
        return (int)count;
    }

    public ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)Remaining) throw Defect($"{length:N0} bytes", $"end of file after {Remaining:N0}");
        ReadOnlySpan<byte> taken = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return taken;
    }

    public readonly ModelLoadException Defect(string expected, string found) => new(file, Subject, expected, found);
}
