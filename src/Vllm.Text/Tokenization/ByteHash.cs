using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Vllm.Text.Tokenization;

/// <summary>A fast hash of short byte strings (tokens and words), for tables in memory only.</summary>
static class ByteHash
{
    const ulong Multiplier = 0x9E3779B97F4A7C15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Compute(ReadOnlySpan<byte> bytes)
    {
        ulong hash = (ulong)bytes.Length * Multiplier;
        while (bytes.Length >= 8)
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[8..];
        }
        hash = Mix(hash ^ ReadUpTo7(bytes));
        return (uint)(hash >> 32);
    }

    /// <summary>The bytes as one little-endian number, zero above them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ReadUpTo7(ReadOnlySpan<byte> bytes)
    {
        int length = bytes.Length;
        if (length >= 4)
        {
            ulong low = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            ulong high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(length - 4)..]);
            return low | high << (8 * (length - 4));
        }
        if (length == 0) return 0;
        int middle = length >> 1, last = length - 1;
        return (ulong)bytes[0] | (ulong)bytes[middle] << (8 * middle) | (ulong)bytes[last] << (8 * last);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mix(ulong value)
    {
        // Both halves of the product: the low one alone carries nothing from high bits of the value to low ones.
        ulong high = Math.BigMul(value, Multiplier, out ulong low);
        return high ^ low;
    }
}
