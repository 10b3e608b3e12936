using System.Runtime.CompilerServices;

namespace Vllm.Kernels;

/// <summary>A view of row-major native memory: <see cref="NumRows"/> rows of <see cref="NumColumns"/> elements,
/// <see cref="RowStride"/> elements apart. It owns nothing; the <see cref="Memory.NativeBuffer"/> behind it must outlive it.</summary>
public readonly unsafe struct Tensor
{
    public Tensor(nint address, DType dtype, int numRows, int numColumns, int rowStride)
    {
        Address = address;
        DType = dtype;
        NumRows = numRows;
        NumColumns = numColumns;
        RowStride = rowStride;
    }

    public nint Address { get; }

    public DType DType { get; }

    public int NumRows { get; }

    public int NumColumns { get; }

    /// <summary>Elements from one row to the next.</summary>
    public int RowStride { get; }

    /// <summary>The first rows: what a step of fewer tokens than the buffer holds uses.</summary>
    public Tensor Rows(int numRows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)numRows, (uint)NumRows, nameof(numRows));
        return new(Address, DType, numRows, NumColumns, RowStride);
    }

    /// <summary>Columns <c>[first, first + num)</c> of every row.</summary>
    public Tensor Columns(int first, int num)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)first + (uint)num, (uint)NumColumns, nameof(num));
        return new(Address + (nint)first * DType.SizeBytes(), DType, NumRows, num, RowStride);
    }

    /// <summary>Elements of one row.</summary>
    public Span<T> Row<T>(int row) where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)NumRows, nameof(row));
        return new((T*)Address + (nint)row * RowStride, NumColumns);
    }

    /// <summary>All elements; the rows must be adjacent.</summary>
    public Span<T> AsSpan<T>() where T : unmanaged
    {
        if (RowStride != NumColumns && NumRows > 1) throw new InvalidOperationException("rows are not adjacent");
        return new((T*)Address, checked(NumRows * NumColumns));
    }

    internal float* Float(int row) => (float*)Address + (nint)row * RowStride;

    [MethodImpl(MethodImplOptions.NoInlining)]
    public override string ToString() => $"{DType}[{NumRows}, {NumColumns}]";
}
