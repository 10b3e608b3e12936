using System.Runtime.CompilerServices;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Turns stored rows into panels, on all workers, straight from the stored bytes.</summary>
static unsafe class PanelPacker
{
    /// <summary>How a stored type is packed for a compute type. Formats without a decoder of groups are packed by
    /// value.</summary>
    public static PanelFormat FormatFor(GgmlType type, DType dtype) => (type, dtype) switch
    {
        (_, DType.F32) => PanelFormat.F32,
        (GgmlType.Q4_0, _) => Q4_0Decoder.Format,
        (GgmlType.Q4_1, _) => Q4_1Decoder.Format,
        (GgmlType.Q5_0, _) => Q5_0Decoder.Format,
        (GgmlType.Q5_1, _) => Q5_1Decoder.Format,
        (GgmlType.Q8_0, _) => Q8_0Decoder.Format,
        (GgmlType.Q2_K, _) => Q2_KDecoder.Format,
        (GgmlType.Q3_K, _) => Q3_KDecoder.Format,
        (GgmlType.Q4_K, _) => Q4_KDecoder.Format,
        (GgmlType.Q5_K, _) => Q5_KDecoder.Format,
        (GgmlType.Q6_K, _) => Q6_KDecoder.Format,
        (GgmlType.IQ4_NL, _) => IQ4_NLDecoder.Format,
        (GgmlType.IQ4_XS, _) => IQ4_XSDecoder.Format,
        (_, DType.F16) => PanelFormat.F16,
        (_, DType.BF16) => PanelFormat.BF16,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "no matrix product in this type"),
    };

    /// <summary>Fills the group's panels.</summary>
    /// <param name="team">Each worker packs a stretch of panels.</param>
    /// <param name="group">Zeroed.</param>
    /// <param name="parts">Its rows, stacked.</param>
    public static void Pack(WorkerTeam team, PanelGroup group, List<StoredMatrix> parts) =>
        team.ParallelFor(group.NumPanels, panel => PackPanel(group, parts, panel));

    static void PackPanel(PanelGroup group, List<StoredMatrix> parts, int panel)
    {
        byte* target = group.Address + panel * group.PanelBytes;
        float[] values = group.Format.IsQuantized ? [] : new float[group.NumInputs];
        int firstOutput = panel * PanelFormat.PanelColumns;
        int numColumns = Math.Min(PanelFormat.PanelColumns, group.NumOutputs - firstOutput);
        for (int column = 0; column < numColumns; column++)
        {
            (StoredMatrix part, int row) = Locate(parts, firstOutput + column);
            if (group.Format.IsQuantized)
            {
                fixed (byte* stored = part.RowBytes(row)) PackCodes(part.Type, stored, group, target, column);
            }
            else
            {
                part.DequantizeRow(row, values);
                PackFloats(group.Format, values, target, column);
            }
        }
    }

    static (StoredMatrix Part, int Row) Locate(List<StoredMatrix> parts, int row)
    {
        int i = 0;
        while (row >= parts[i].NumRows) row -= parts[i++].NumRows;
        return (parts[i], row);
    }

    static void PackCodes(GgmlType type, byte* stored, PanelGroup group, byte* target, int column)
    {
        switch (type)
        {
            case GgmlType.Q4_0: PackCodes<Q4_0Decoder>(stored, group, target, column); break;
            case GgmlType.Q4_1: PackCodes<Q4_1Decoder>(stored, group, target, column); break;
            case GgmlType.Q5_0: PackCodes<Q5_0Decoder>(stored, group, target, column); break;
            case GgmlType.Q5_1: PackCodes<Q5_1Decoder>(stored, group, target, column); break;
            case GgmlType.Q8_0: PackCodes<Q8_0Decoder>(stored, group, target, column); break;
            case GgmlType.Q2_K: PackCodes<Q2_KDecoder>(stored, group, target, column); break;
            case GgmlType.Q3_K: PackCodes<Q3_KDecoder>(stored, group, target, column); break;
            case GgmlType.Q4_K: PackCodes<Q4_KDecoder>(stored, group, target, column); break;
            case GgmlType.Q5_K: PackCodes<Q5_KDecoder>(stored, group, target, column); break;
            case GgmlType.Q6_K: PackCodes<Q6_KDecoder>(stored, group, target, column); break;
            case GgmlType.IQ4_NL: PackCodes<IQ4_NLDecoder>(stored, group, target, column); break;
            case GgmlType.IQ4_XS: PackCodes<IQ4_XSDecoder>(stored, group, target, column); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "not packed as codes");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void PackCodes<TDecoder>(byte* stored, PanelGroup panels, byte* block, int column) where TDecoder : IGroupDecoder
    {
        PanelFormat format = TDecoder.Format;
        int numLines = format.LinesPerGroup, groupsPerBlock = format.GroupsPerBlock, blockBytes = format.BlockBytes;
        int numGroups = panels.NumInputs / format.GroupSize;
        byte* codes = stackalloc byte[32];
        for (int group = 0; group < numGroups; group++)
        {
            (Half scale, Half min) = TDecoder.Decode(stored, group, codes);
            int inBlock = group % groupsPerBlock;
            uint* line = (uint*)block + column;
            for (int u = 0; u < numLines; u++, line += PanelFormat.PanelColumns) *line |= ((uint*)codes)[u] << (4 * inBlock);
            ((Half*)(block + format.ScaleOffset(inBlock)))[column] = scale;
            if (format.HasMin) ((Half*)(block + format.MinOffset(inBlock)))[column] = min;
            if (inBlock == groupsPerBlock - 1) block += blockBytes;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void PackFloats(PanelFormat format, ReadOnlySpan<float> values, byte* target, int column)
    {
        const int Columns = PanelFormat.PanelColumns;
        for (int k = 0; k < values.Length; k++)
        {
            if (format == PanelFormat.F32) ((float*)target)[(nint)k * Columns + column] = values[k];
            else if (format == PanelFormat.F16) ((Half*)target)[(nint)k * Columns + column] = (Half)values[k];
            else ((ushort*)target)[((nint)(k / 2) * Columns + column) * 2 + k % 2] = BFloat16.FromSingle(values[k]);
        }
    }
}
