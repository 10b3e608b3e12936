using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vllm.Kernels.Formats;

namespace Vllm.Models.Synth;

/// <summary>Writes a header and the data of tensors behind it, in pieces and on all processors.</summary>
static class TensorFile
{
    const int PieceSizeBytes = 4 << 20;

    /// <summary>Where each tensor's data starts behind the header.</summary>
    public static IReadOnlyList<(SynthTensor Tensor, long Offset)> Place(
        IEnumerable<SynthTensor> tensors, int alignmentBytes)
    {
        var placed = new List<(SynthTensor, long)>();
        long end = 0;
        foreach (SynthTensor tensor in tensors)
        {
            placed.Add((tensor, end));
            end += (tensor.SizeBytes + alignmentBytes - 1) / alignmentBytes * alignmentBytes;
        }
        return placed;
    }

    /// <summary>The file appears under its name when it is whole.</summary>
    public static void Write(
        string path, byte[] header, IReadOnlyList<(SynthTensor Tensor, long Offset)> tensors, ulong seed)
    {
        string part = path + ".part";
        try
        {
            using (SafeFileHandle file = File.OpenHandle(part, FileMode.Create, FileAccess.Write))
            {
                RandomAccess.Write(file, header, 0);
                Parallel.ForEach(Pieces(tensors, seed), piece => Write(file, header.Length, piece));
            }
            File.Move(part, path, overwrite: true);
        }
        finally
        {
            File.Delete(part);
        }
    }

    static IEnumerable<Piece> Pieces(IReadOnlyList<(SynthTensor Tensor, long Offset)> tensors, ulong seed)
    {
        ulong number = 0;
        foreach ((SynthTensor tensor, long offset) in tensors)
        {
            int blockSizeBytes = GgmlTypes.Block(tensor.Type).SizeBytes;
            int step = PieceSizeBytes / blockSizeBytes * blockSizeBytes;
            for (long at = 0; at < tensor.SizeBytes; at += step)
            {
                int sizeBytes = (int)Math.Min(step, tensor.SizeBytes - at);
                yield return new(tensor, offset + at, sizeBytes, (seed << 32) + number++);
            }
        }
    }

    static void Write(SafeFileHandle file, long dataStart, Piece piece)
    {
        SynthTensor tensor = piece.Tensor;
        byte[] bytes = tensor.Values is { } values ? MemoryMarshal.AsBytes<float>(values).ToArray()
            : tensor.Deviation == 0 ? Ones(tensor.Type, piece.SizeBytes)
            : new byte[piece.SizeBytes];
        if (tensor.Deviation > 0) RandomWeights.Fill(tensor.Type, bytes, tensor.Deviation, piece.Seed);
        RandomAccess.Write(file, bytes, dataStart + piece.Offset);
    }

    static byte[] Ones(GgmlType type, int sizeBytes)
    {
        byte[] one = type switch
        {
            GgmlType.F32 => BitConverter.GetBytes(1f),
            GgmlType.F16 => BitConverter.GetBytes((Half)1),
            GgmlType.BF16 => BitConverter.GetBytes((ushort)0x3F80),
            _ => throw new NotSupportedException($"norm weights of type {type}"),
        };
        byte[] bytes = new byte[sizeBytes];
        for (int i = 0; i < sizeBytes; i += one.Length) one.CopyTo(bytes, i);
        return bytes;
    }

    /// <summary>Whole blocks of a tensor; the seed is the piece's own, so that order does not matter.</summary>
    readonly record struct Piece(SynthTensor Tensor, long Offset, int SizeBytes, ulong Seed);
}
