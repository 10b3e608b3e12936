using System.Runtime.CompilerServices;
using Vllm.Kernels.Cpu.Simd;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Element type of a KV cache, by the way it stores a <i>pair row</i>: two values (low, high) for each of
/// numColumns columns. Both types have 4 bytes from column to column.</summary>
unsafe interface IKvElement
{
    /// <summary>Bytes of a pair row.</summary>
    static abstract nint PairRowBytes(int numColumns);

    /// <summary>Loads consecutive columns, the first at <paramref name="column"/>.</summary>
    static abstract void LoadPairs<TVector>(byte* column, int numColumns, out TVector low, out TVector high)
        where TVector : unmanaged, IFloatVector<TVector>;

    /// <summary>Stores consecutive columns, the first at <paramref name="column"/>.</summary>
    static abstract void StorePairs<TVector>(byte* column, int numColumns, TVector low, TVector high)
        where TVector : unmanaged, IFloatVector<TVector>;

    /// <summary>Stores values down one column: a pair in each pair row. An odd last value is paired with 0.</summary>
    static abstract void StoreColumn<TVector>(float* values, int num, byte* column, int numColumns)
        where TVector : unmanaged, IFloatVector<TVector>;
}

/// <summary>The pair of a column in one 32-bit word: [numColumns][2] bf16.</summary>
readonly unsafe struct BFloat16Element : IKvElement
{
    public static nint PairRowBytes(int numColumns) => (nint)numColumns * 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPairs<TVector>(byte* column, int numColumns, out TVector low, out TVector high)
        where TVector : unmanaged, IFloatVector<TVector> =>
        TVector.LoadBFloat16Pairs((uint*)column, out low, out high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs<TVector>(byte* column, int numColumns, TVector low, TVector high)
        where TVector : unmanaged, IFloatVector<TVector> =>
        TVector.StoreBFloat16Pairs((uint*)column, low, high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreColumn<TVector>(float* values, int num, byte* column, int numColumns)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        nint rowBytes = PairRowBytes(numColumns);
        ushort* converted = stackalloc ushort[16];
        int i = 0;
        for (; TVector.Width > 1 && i <= num - TVector.Width; i += TVector.Width)
        {
            TVector.Load(values + i).StoreBFloat16(converted);
            for (int pair = 0; pair < TVector.Width / 2; pair++, column += rowBytes)
                *(uint*)column = ((uint*)converted)[pair];
        }
        for (; i < num; i += 2, column += rowBytes)
            Float1.StoreBFloat16Pairs((uint*)column, new(values[i]), new(i + 1 < num ? values[i + 1] : 0));
    }
}

/// <summary>All low values, then all high ones: [2][numColumns] floats.</summary>
readonly unsafe struct Float32Element : IKvElement
{
    public static nint PairRowBytes(int numColumns) => (nint)numColumns * 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPairs<TVector>(byte* column, int numColumns, out TVector low, out TVector high)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        low = TVector.Load((float*)column);
        high = TVector.Load((float*)column + numColumns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs<TVector>(byte* column, int numColumns, TVector low, TVector high)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        low.Store((float*)column);
        high.Store((float*)column + numColumns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreColumn<TVector>(float* values, int num, byte* column, int numColumns)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        for (int i = 0; i < num; i++) ((float*)column)[(nint)i * numColumns] = values[i];
        if (num % 2 != 0) ((float*)column)[(nint)num * numColumns] = 0;
    }
}
