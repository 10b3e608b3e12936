using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

/// <summary>
/// Where the rows of a tensor lie in its file. llama.cpp stores the q and k projections of the llama architecture with
/// the rows of each head interleaved (0, D/2, 1, D/2 + 1, …), because it rotates neighbouring pairs.
/// </summary>
/// <param name="HeadDim">Rows of a head; 0 when the rows are in order.</param>
public readonly record struct RowMap(int HeadDim)
{
    public bool IsIdentity => HeadDim == 0;

    /// <summary>The row in the file that holds row <paramref name="row"/> of the tensor.</summary>
    public int FileRow(int row)
    {
        if (IsIdentity) return row;
        (int head, int i) = Math.DivRem(row, HeadDim);
        int half = HeadDim / 2;
        return head * HeadDim + (i < half ? 2 * i : 2 * (i - half) + 1);
    }
}

/// <summary>
/// A tensor of a checkpoint, its data in the mapped file. The checkpoint's <see cref="IDisposable.Dispose"/> ends the
/// validity of <see cref="Data"/> and of rows. Reading is safe on many threads.
/// </summary>
/// <param name="File">The file that holds it.</param>
/// <param name="Name">Its name there, or the Hugging Face name when a <see cref="Checkpoint"/> hands it out.</param>
/// <param name="Type">Type of its elements or blocks.</param>
/// <param name="Shape">Row-major: [N, K] for a linear layer, [experts, N, K] for stacked ones.</param>
/// <param name="Data">Rows of whole blocks one after another, in the order of the file.</param>
public sealed record CheckpointTensor(
    string File, string Name, GgmlType Type, IReadOnlyList<int> Shape, MappedBytes Data)
{
    /// <summary>Order of the rows in <see cref="Data"/>. A mapped vector counts as rows of one value.</summary>
    public RowMap Rows { get; init; }

    public int RowLength => Shape.Count == 0 || IsMappedVector ? 1 : Shape[^1];

    /// <summary>Product of all sizes but the last.</summary>
    public int NumRows => IsMappedVector ? Shape[0] : Shape.SkipLast(1).Aggregate(1, (product, size) => product * size);

    public long RowSizeBytes => GgmlTypes.RowSizeBytes(Type, RowLength);

    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    bool IsMappedVector => Shape.Count == 1 && !Rows.IsIdentity;

    /// <summary>A row as stored, for kernels that work on the quantized form.</summary>
    public ReadOnlySpan<byte> Row(int row) =>
        Data.Span(Rows.FileRow(row) * RowSizeBytes, (int)RowSizeBytes);

    /// <summary>Rows in fp32, one after another in <paramref name="destination"/>.</summary>
    /// <exception cref="ModelLoadException">There is no conversion for the type.</exception>
    public void DequantizeRows(int firstRow, int numRows, Span<float> destination)
    {
        if (!Dequantizer.IsSupported(Type)) throw Defect("a type that converts to fp32", $"{Type}");
        int rowLength = RowLength;
        for (int i = 0; i < numRows; i++)
            Dequantizer.Dequantize(Type, Row(firstRow + i), destination.Slice(i * rowLength, rowLength));
    }

    /// <summary>All values in fp32: for vectors (norms, biases) and small tensors.</summary>
    public float[] ToArray()
    {
        var values = new float[(long)NumRows * RowLength];
        DequantizeRows(0, NumRows, values);
        return values;
    }

    /// <summary>
    /// Bytes of a tensor. False when rows are not whole blocks, or when the number of rows or the bytes of a row are
    /// beyond an int, so that what is loaded can be counted in ints.
    /// </summary>
    public static bool TryDataSizeBytes(GgmlType type, IReadOnlyList<int> shape, out long sizeBytes)
    {
        (int blockValues, int blockSizeBytes) = GgmlTypes.Block(type);
        int rowLength = shape.Count == 0 ? 1 : shape[^1];
        long rowSizeBytes = (long)(rowLength / blockValues) * blockSizeBytes;
        long numRows = 1;
        foreach (int size in shape.SkipLast(1)) numRows = Math.Min(numRows * size, 1L + int.MaxValue);
        sizeBytes = numRows * rowSizeBytes;
        return rowLength % blockValues == 0 && rowSizeBytes <= int.MaxValue && numRows <= int.MaxValue;
    }

    public ModelLoadException Defect(string expected, string found) => new(File, Name, expected, found);
}
