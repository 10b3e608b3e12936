using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Turns stored rows into panels, on all workers, straight from the stored bytes.</summary>
static unsafe class PanelPacker
{
    /// <summary>128 lines of 128 bytes: half of a 32 KB L1 cache.</summary>
    const int WordsPerPiece = 128;

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

    /// <summary>Fills the group's panels, padding included.</summary>
    /// <param name="team">Each worker packs a stretch of panels.</param>
    /// <param name="group">Where to.</param>
    /// <param name="parts">Its rows, stacked.</param>
    public static void Pack(WorkerTeam team, PanelGroup group, List<StoredMatrix> parts) =>
        team.ParallelFor(group.NumPanels, panel => PackPanel(group, parts, panel));

    static void PackPanel(PanelGroup group, List<StoredMatrix> parts, int panel)
    {
        byte* target = group.Address + panel * group.PanelBytes;
        NativeMemory.Clear(target, (nuint)group.PanelBytes);
        int firstOutput = panel * PanelFormat.PanelColumns;
        int numColumns = Math.Min(PanelFormat.PanelColumns, group.NumOutputs - firstOutput);
        if (group.Format.IsQuantized) PackCodes(group, parts, firstOutput, numColumns, target);
        else PackValues(group, parts, firstOutput, numColumns, target);
    }

    static void PackCodes(PanelGroup group, List<StoredMatrix> parts, int firstOutput, int numColumns, byte* target)
    {
        for (int column = 0; column < numColumns; column++)
        {
            (StoredMatrix part, int row) = Locate(parts, firstOutput + column);
            fixed (byte* stored = part.RowBytes(row)) PackCodes(part.Type, stored, group, target, column);
        }
    }

    /// <summary>Dequantizes the panel's rows, then writes them as its columns.</summary>
    static void PackValues(PanelGroup group, List<StoredMatrix> parts, int firstOutput, int numColumns, byte* target)
    {
        int numInputs = group.NumInputs;
        int rowBytes = ActivationRows.RowBytes(ActivationForm.F32, numInputs);
        using var rows = new NativeBuffer((long)rowBytes * (PanelFormat.PanelColumns + 1)); // and one to convert from
        byte* spare = (byte*)rows.Address + (nint)rowBytes * PanelFormat.PanelColumns;
        for (int column = 0; column < numColumns; column++)
        {
            (StoredMatrix part, int row) = Locate(parts, firstOutput + column);
            byte* values = (byte*)rows.Address + (nint)rowBytes * column;
            bool isBF16 = group.Format == PanelFormat.BF16;
            part.DequantizeRow(row, new Span<float>(isBF16 ? spare : values, numInputs));
            if (isBF16) ActivationRows.Convert(ActivationForm.BF16, (float*)spare, numInputs, values);
        }

        if (group.Format == PanelFormat.F16) WriteHalves((float*)rows.Address, rowBytes, numInputs, (Half*)target);
        else WriteWords((uint*)rows.Address, rowBytes, (int)(group.PanelBytes / PanelFormat.LineBytes), (uint*)target);
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
    static void PackCodes<TDecoder>(byte* stored, PanelGroup panels, byte* block, int column)
        where TDecoder : IGroupDecoder
    {
        PanelFormat format = TDecoder.Format;
        ReadOnlySpan<CodeLine> lines = format.CodeLines;
        int groupsPerPart = format.GroupsPerPart, partsPerBlock = format.PartsPerBlock, partBytes = format.PartBytes;
        int linesPerGroup = format.LinesPerGroup, blockBytes = format.BlockBytes, superBytes = format.SuperBytes;
        int scaleOffset = format.ScaleOffset(0), scalesBytes = format.ScalesBytes;
        int minDistance = format.MinOffset(0) - scaleOffset;
        bool hasMin = format.HasMin, hasSuperScales = format.HasSuperScales;
        int numGroups = panels.NumInputs / format.GroupSize;
        byte* unaligned = stackalloc byte[64];
        byte* codes = (byte*)((nint)(unaligned + 31) & ~31); // a vector of them in one cache line
        for (int group = 0; group < numGroups; block += blockBytes)
        {
            byte* part = block + superBytes;
            for (int p = 0; p < partsPerBlock; p++, part += partBytes)
            {
                for (int inPart = 0; inPart < groupsPerPart && group < numGroups; inPart++, group++)
                {
                    (Half scale, Half min, int scaleFactor, int minFactor) = TDecoder.Decode(stored, group, codes);
                    WriteCodes(lines.Slice(inPart * linesPerGroup, linesPerGroup), part, column, (uint*)codes);
                    byte* scales = part + scaleOffset + inPart * scalesBytes, mins = scales + minDistance;
                    if (hasSuperScales)
                    {
                        ((Half*)block)[column] = scale;
                        ((sbyte*)scales)[column] = (sbyte)scaleFactor;
                        if (!hasMin) continue;
                        ((Half*)(block + PanelFormat.SuperMinOffset))[column] = min;
                        ((sbyte*)mins)[column] = (sbyte)minFactor;
                    }
                    else
                    {
                        ((Half*)scales)[column] = scale;
                        if (hasMin) ((Half*)mins)[column] = min;
                    }
                }
            }
        }
    }

    /// <summary>Writes a group's codes, four to a line.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void WriteCodes(ReadOnlySpan<CodeLine> lines, byte* part, int column, uint* codes)
    {
        if (lines[0].ExtraMask != 0)
        {
            for (int u = 0; u < lines.Length; u++) lines[u].Write(part, column, codes[u]);
            return;
        }

        // Base bits alone: all lines of a group have one field and follow each other.
        uint* line = (uint*)(part + lines[0].BaseOffset) + column;
        int numLines = lines.Length, factorBits = lines[0].FactorBits;
        if (lines[0].BaseMask == uint.MaxValue)
            for (int u = 0; u < numLines; u++) line[u * PanelFormat.PanelColumns] = codes[u];
        else
            for (int u = 0; u < numLines; u++) line[u * PanelFormat.PanelColumns] |= codes[u] << factorBits;
    }

    /// <summary>target[word][column] = row column, word; a word is an fp32 or two bf16. In pieces that stay in
    /// L1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WriteWords(uint* rows, nint rowBytes, int numWords, uint* target)
    {
        for (int first = 0; first < numWords; first += WordsPerPiece)
        {
            int end = Math.Min(first + WordsPerPiece, numWords);
            for (int column = 0; column < PanelFormat.PanelColumns; column++)
            {
                uint* row = (uint*)((byte*)rows + column * rowBytes);
                for (int word = first; word < end; word++)
                    target[(nint)word * PanelFormat.PanelColumns + column] = row[word];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WriteHalves(float* rows, nint rowBytes, int numValues, Half* target)
    {
        for (int column = 0; column < PanelFormat.PanelColumns; column++)
        {
            float* row = (float*)((byte*)rows + column * rowBytes);
            for (int k = 0; k < numValues; k++) target[(nint)k * PanelFormat.PanelColumns + column] = (Half)row[k];
        }
    }
}
