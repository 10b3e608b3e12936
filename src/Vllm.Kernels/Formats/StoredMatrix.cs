namespace Vllm.Kernels.Formats;

/// <summary>A matrix as a checkpoint file stores it: <see cref="NumRows"/> output features of
/// <see cref="NumColumns"/> input features each, every row in blocks of <see cref="Type"/>. The bytes live as long as
/// the checkpoint is open. Safe to read from several threads.</summary>
public abstract class StoredMatrix
{
    /// <summary>The tensor's name in the file, for messages.</summary>
    public abstract string Name { get; }

    public abstract GgmlType Type { get; }

    public abstract int NumRows { get; }

    public abstract int NumColumns { get; }

    /// <summary>The stored bytes of a row, in the row order of the model (a file may hold another). The memory does not
    /// move: it is mapped or pinned.</summary>
    public abstract ReadOnlySpan<byte> RowBytes(int row);

    /// <summary>The row's exact values.</summary>
    public abstract void DequantizeRow(int row, Span<float> destination);
}
