using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Formats;

/// <summary>
/// A quantized block as GGUF stores it. Values come out in fp32 with ggml's order of operations, so that they are bit
/// for bit those of the reference (ggml-quants.c, <c>dequantize_row_*</c>).
/// </summary>
unsafe interface IQuantBlock<TSelf> where TSelf : unmanaged, IQuantBlock<TSelf>
{
    static abstract GgmlType Type { get; }

    static abstract int NumValues { get; }

    static abstract void Dequantize(TSelf* block, float* values);
}

/// <summary>Stored rows of any supported type to fp32.</summary>
public static unsafe class Dequantizer
{
    public static bool IsSupported(GgmlType type) => Function(type) != null;

    /// <summary>
    /// Converts <paramref name="source"/>, whole blocks of <paramref name="type"/> in any alignment, to
    /// <paramref name="destination"/>, one float for each value. Rows follow one another without padding, so that
    /// several can be converted at once, or each by another thread.
    /// </summary>
    /// <exception cref="NotSupportedException">The type has no conversion (see <see cref="IsSupported"/>).</exception>
    public static void Dequantize(GgmlType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        delegate*<byte*, float*, nint, void> function = Function(type);
        if (function == null) throw new NotSupportedException($"tensor type {type} cannot be dequantized");
        (int blockValues, int blockSizeBytes) = GgmlTypes.Block(type);
        (int numBlocks, int rest) = Math.DivRem(destination.Length, blockValues);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rest, 0, nameof(destination));
        ArgumentOutOfRangeException.ThrowIfNotEqual(source.Length, (long)numBlocks * blockSizeBytes, nameof(source));
        fixed (byte* from = source)
        fixed (float* to = destination)
            function(from, to, numBlocks);
    }

    static delegate*<byte*, float*, nint, void> Function(GgmlType type) => type switch
    {
        GgmlType.F32 => &FloatRows.CopyF32,
        GgmlType.F16 => &FloatRows.WidenF16,
        GgmlType.BF16 => &FloatRows.WidenBF16,
        GgmlType.Q4_0 => &Blocks<BlockQ4_0>,
        GgmlType.Q4_1 => &Blocks<BlockQ4_1>,
        GgmlType.Q5_0 => &Blocks<BlockQ5_0>,
        GgmlType.Q5_1 => &Blocks<BlockQ5_1>,
        GgmlType.Q8_0 => &Blocks<BlockQ8_0>,
        GgmlType.Q2_K => &Blocks<BlockQ2_K>,
        GgmlType.Q3_K => &Blocks<BlockQ3_K>,
        GgmlType.Q4_K => &Blocks<BlockQ4_K>,
        GgmlType.Q5_K => &Blocks<BlockQ5_K>,
        GgmlType.Q6_K => &Blocks<BlockQ6_K>,
        GgmlType.IQ4_NL => &Blocks<BlockIQ4_NL>,
        GgmlType.IQ4_XS => &Blocks<BlockIQ4_XS>,
        GgmlType.MXFP4 => &Blocks<BlockMXFP4>,
        GgmlType.NVFP4 => &Blocks<BlockNVFP4>,
        GgmlType.TQ1_0 => &Blocks<BlockTQ1_0>,
        GgmlType.TQ2_0 => &Blocks<BlockTQ2_0>,
        GgmlType.Q1_0 => &Blocks<BlockQ1_0>,
        GgmlType.Q2_0 => &Blocks<BlockQ2_0>,
        _ => null,
    };

    // Optimized at its first call: a checkpoint is packed before tiering would notice. The block's own method is
    // inlined for the same reason.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    static void Blocks<T>(byte* source, float* destination, nint numBlocks) where T : unmanaged, IQuantBlock<T>
    {
        for (nint i = 0; i < numBlocks; i++) T.Dequantize((T*)source + i, destination + i * T.NumValues);
    }
}
