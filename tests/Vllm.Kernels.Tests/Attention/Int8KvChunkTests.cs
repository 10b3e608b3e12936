using System.Runtime.InteropServices;
using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Memory;

namespace Vllm.Tests.Attention;

/// <summary>Codes and what they stand for, element by element.</summary>
public class Int8KvChunkTests
{
    const byte Untouched = 0xA5;

    // dims, columns: whole vectors of tokens, a rest, fewer than a vector
    static readonly (int, int)[] Shapes = [(64, 64), (16, 2), (80, 18), (128, 32), (32, 14)];

    public static TheoryData<DType, int, int> Cases()
    {
        var cases = new TheoryData<DType, int, int>();
        foreach (DType dtype in new[] { DType.F32, DType.BF16 })
            foreach ((int dims, int columns) in Shapes) cases.Add(dtype, dims, columns);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void EncodeAndDecode_FollowTheFormula(DType dtype, int dims, int columns)
    {
        int numElements = dims * columns, elementBytes = dtype == DType.BF16 ? 2 : 4;
        int valuesOffset = numElements * elementBytes;
        byte[] chunk = new byte[2 * valuesOffset], decoded = new byte[2 * valuesOffset];
        byte[] encoded = new byte[Int8KvChunk.SizeBytes(dims, columns) + 1];
        var random = new Random(dims * columns);
        for (int i = 0; i < 2 * numElements; i++) Write(dtype, chunk, i, random.NextNormal(1 + i % 3));
        // A token of zeros, which has no scale.
        for (int d = 0; d < dims; d++) Write(dtype, chunk, KeyIndex(dtype, 1, d, columns), 0);

        using NativeBuffer from = new(chunk.Length), to = new(chunk.Length), codes = new(encoded.Length);
        Marshal.Copy(chunk, 0, from.Address, chunk.Length);
        Marshal.WriteByte(codes.Address, encoded.Length - 1, Untouched);
        if (dtype == DType.BF16)
        {
            Int8KvChunk.Encode<BFloat16Element>(from.Address, valuesOffset, dims, columns, codes.Address);
            Int8KvChunk.Decode<BFloat16Element>(codes.Address, to.Address, valuesOffset, dims, columns);
        }
        else
        {
            Int8KvChunk.Encode<Float32Element>(from.Address, valuesOffset, dims, columns, codes.Address);
            Int8KvChunk.Decode<Float32Element>(codes.Address, to.Address, valuesOffset, dims, columns);
        }
        Marshal.Copy(to.Address, decoded, 0, decoded.Length);
        Marshal.Copy(codes.Address, encoded, 0, encoded.Length);

        Assert.Equal(Untouched, encoded[^1]);
        Span<float> scales = MemoryMarshal.Cast<byte, float>(encoded.AsSpan(0, 2 * columns * sizeof(float)));
        Span<sbyte> stored = MemoryMarshal.Cast<byte, sbyte>(encoded.AsSpan(scales.Length * sizeof(float)));
        for (int row = 0; row < 2 * columns; row++)
        {
            int[] indexes = [.. Enumerable.Range(0, dims).Select(d => row < columns
                ? KeyIndex(dtype, row, d, columns)
                : numElements + ValueIndex(dtype, row - columns, d, dims))];
            float[] values = [.. indexes.Select(index => Read(dtype, chunk, index))];
            float max = values.Max(MathF.Abs);
            Assert.Equal(max / 127, scales[row]);
            for (int d = 0; d < dims; d++)
            {
                int code = max > 0 ? (int)MathF.Round(values[d] / max * 127) : 0;
                Assert.Equal(code, stored[row * dims + d]);
                Assert.Equal(Rounded(dtype, scales[row] * code), Read(dtype, decoded, indexes[d]));
            }
        }
    }

    static int KeyIndex(DType dtype, int token, int d, int columns) =>
        dtype == DType.BF16 ? (d / 2 * columns + token) * 2 + d % 2 : d * columns + token;

    static int ValueIndex(DType dtype, int token, int d, int dims) =>
        dtype == DType.BF16 ? (token / 2 * dims + d) * 2 + token % 2 : token * dims + d;

    static float Read(DType dtype, byte[] chunk, int index) => dtype == DType.BF16
        ? BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(chunk, 2 * index) << 16)
        : BitConverter.ToSingle(chunk, 4 * index);

    static void Write(DType dtype, byte[] chunk, int index, float value)
    {
        if (dtype == DType.BF16)
            BitConverter.TryWriteBytes(chunk.AsSpan(2 * index), (ushort)(BitConverter.SingleToUInt32Bits(Rounded(dtype, value)) >> 16));
        else
            BitConverter.TryWriteBytes(chunk.AsSpan(4 * index), value);
    }

    /// <summary>As it is stored: bf16 to the nearest, ties to even.</summary>
    static float Rounded(DType dtype, float value)
    {
        if (dtype != DType.BF16) return value;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}
