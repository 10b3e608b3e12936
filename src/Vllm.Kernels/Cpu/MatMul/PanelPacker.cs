using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Turns stored rows into panels, on all workers, straight from the stored bytes.</summary>
static unsafe class PanelPacker
{
    const int PanelColumns = PanelFormat.PanelColumns;

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
    /// <param name="group">Where to: zeros, as which the padding stays.</param>
    /// <param name="parts">Its rows, stacked.</param>
    public static void Pack(WorkerTeam team, PanelGroup group, List<StoredMatrix> parts) =>
        team.ParallelFor(group.NumPanels, panel => PackPanel(group, parts, panel));

    static void PackPanel(PanelGroup group, List<StoredMatrix> parts, int panel)
    {
        byte* target = group.Address + panel * group.PanelBytes;
        int firstOutput = panel * PanelColumns;
        int numColumns = Math.Min(PanelColumns, group.NumOutputs - firstOutput);
        if (group.Format.IsQuantized) PackCodes(group, parts, firstOutput, numColumns, target);
        else PackValues(group, parts, firstOutput, numColumns, target);
    }

    static void PackCodes(PanelGroup group, List<StoredMatrix> parts, int firstOutput, int numColumns, byte* target)
    {
        byte** rows = stackalloc byte*[PanelColumns];
        GgmlType type = Locate(parts, firstOutput).Part.Type;
        for (int first = 0; first < numColumns;)
        {
            // Parts of one panel format may differ in type; each stretch of one type is a pass.
            int end = first;
            for (; end < numColumns; end++)
            {
                (StoredMatrix part, int row) = Locate(parts, firstOutput + end);
                if (end == first) type = part.Type;
                else if (part.Type != type) break;
                rows[end] = Address(part, row);
            }

            PackCodes(type, rows, group, target, first, end);
            first = end;
        }
    }

    /// <summary>Where a row is stored: memory that does not move.</summary>
    static byte* Address(StoredMatrix part, int row) => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(part.RowBytes(row)));

    /// <summary>Writes the panel's rows, dequantized, as its columns.</summary>
    static void PackValues(PanelGroup group, List<StoredMatrix> parts, int firstOutput, int numColumns, byte* target)
    {
        int numInputs = group.NumInputs;
        int rowBytes = ActivationRows.RowBytes(ActivationForm.F32, numInputs);
        using var rows = new NativeBuffer((long)rowBytes * (PanelColumns + 1)); // and one to convert from
        byte* spare = (byte*)rows.Address + (nint)rowBytes * PanelColumns;
        for (int column = 0; column < numColumns; column++)
        {
            (StoredMatrix part, int row) = Locate(parts, firstOutput + column);
            byte* values = (byte*)rows.Address + (nint)rowBytes * column;
            bool isBF16 = group.Format == PanelFormat.BF16;
            if (isBF16 && part.Type == GgmlType.BF16)
            {
                part.RowBytes(row).CopyTo(new Span<byte>(values, rowBytes));
                continue;
            }

            part.DequantizeRow(row, new Span<float>(isBF16 ? spare : values, numInputs));
            if (isBF16) ActivationRows.Convert(ActivationForm.BF16, (float*)spare, numInputs, values);
        }

        if (group.Format == PanelFormat.F16) WriteHalves((float*)rows.Address, rowBytes, numInputs, (Half*)target);
        else WriteWords((byte*)rows.Address, rowBytes, (int)(group.PanelBytes / PanelFormat.LineBytes), (uint*)target);
    }

    static (StoredMatrix Part, int Row) Locate(List<StoredMatrix> parts, int row)
    {
        int i = 0;
        while (row >= parts[i].NumRows) row -= parts[i++].NumRows;
        return (parts[i], row);
    }

    static void PackCodes(GgmlType type, byte** rows, PanelGroup group, byte* target, int first, int end)
    {
        switch (type)
        {
            case GgmlType.Q4_0: PackCodes<Q4_0Decoder>(rows, group, target, first, end); break;
            case GgmlType.Q4_1: PackCodes<Q4_1Decoder>(rows, group, target, first, end); break;
            case GgmlType.Q5_0: PackCodes<Q5_0Decoder>(rows, group, target, first, end); break;
            case GgmlType.Q5_1: PackCodes<Q5_1Decoder>(rows, group, target, first, end); break;
            case GgmlType.Q8_0: PackCodes<Q8_0Decoder>(rows, group, target, first, end); break;
            case GgmlType.Q2_K: PackCodes<Q2_KDecoder>(rows, group, target, first, end); break;
            case GgmlType.Q3_K: PackCodes<Q3_KDecoder>(rows, group, target, first, end); break;
            case GgmlType.Q4_K: PackCodes<Q4_KDecoder>(rows, group, target, first, end); break;
            case GgmlType.Q5_K: PackCodes<Q5_KDecoder>(rows, group, target, first, end); break;
            case GgmlType.Q6_K: PackCodes<Q6_KDecoder>(rows, group, target, first, end); break;
            case GgmlType.IQ4_NL: PackCodes<IQ4_NLDecoder>(rows, group, target, first, end); break;
            case GgmlType.IQ4_XS: PackCodes<IQ4_XSDecoder>(rows, group, target, first, end); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "not packed as codes");
        }
    }

    /// <summary>Packs rows [first, end) as these columns of a panel: 32 of their codes at a time, decoded side by side
    /// and then transposed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void PackCodes<TDecoder>(byte** rows, PanelGroup panels, byte* block, int first, int end)
        where TDecoder : IGroupDecoder
    {
        PanelFormat format = TDecoder.Format;
        const int StretchCodes = 4 * Transposition.NumWords; // 1 group of 32 or 2 of 16
        int groupSize = format.GroupSize, groupsPerStretch = StretchCodes / groupSize;
        int stretchesPerPart = format.PartColumns / StretchCodes, numStretches = panels.NumInputs / StretchCodes;
        byte* codes = stackalloc byte[PanelColumns * StretchCodes];
        uint* lines = stackalloc uint[PanelColumns * Transposition.NumWords];
        new Span<byte>(codes, PanelColumns * StretchCodes).Clear();
        for (int stretch = 0; stretch < numStretches; block += format.BlockBytes)
        {
            byte* part = block + format.SuperBytes;
            for (int p = 0; p < format.PartsPerBlock; p++, part += format.PartBytes)
            {
                for (int inPart = 0; inPart < stretchesPerPart && stretch < numStretches; inPart++, stretch++)
                {
                    for (int i = 0; i < groupsPerStretch; i++)
                    {
                        var scales = new ScaleWriter(format, block, part, inPart * groupsPerStretch + i);
                        for (int column = first; column < end; column++)
                        {
                            byte* decoded = codes + column * StretchCodes + i * groupSize;
                            scales.Write(column, TDecoder.Decode(rows[column], stretch * groupsPerStretch + i, decoded));
                        }
                    }

                    Transposition.Run(codes, StretchCodes, lines);
                    for (int i = 0; i < Transposition.NumWords; i++)
                        format.CodeLines[inPart * Transposition.NumWords + i].Write(part, lines + i * PanelColumns);
                }
            }
        }
    }

    /// <summary>target[word][column] = row column, word; a word is an fp32 or two bf16. Rows are padded to whole
    /// stretches.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WriteWords(byte* rows, nint rowBytes, int numWords, uint* target)
    {
        uint* lines = stackalloc uint[PanelColumns * Transposition.NumWords];
        int word = 0;
        for (; word + Transposition.NumWords <= numWords; word += Transposition.NumWords)
            Transposition.Run(rows + word * sizeof(uint), rowBytes, target + (nint)word * PanelColumns);
        if (word == numWords) return;
        Transposition.Run(rows + word * sizeof(uint), rowBytes, lines);
        new Span<uint>(lines, (numWords - word) * PanelColumns).CopyTo(
            new Span<uint>(target + (nint)word * PanelColumns, (numWords - word) * PanelColumns));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WriteHalves(float* rows, nint rowBytes, int numValues, Half* target)
    {
        for (int column = 0; column < PanelColumns; column++)
        {
            float* row = (float*)((byte*)rows + column * rowBytes);
            for (int k = 0; k < numValues; k++) target[(nint)k * PanelColumns + column] = (Half)row[k];
        }
    }

    /// <summary>Writes the scales of one group, output by output.</summary>
    readonly struct ScaleWriter(PanelFormat format, byte* block, byte* part, int group)
    {
        readonly bool _hasSuperScales = format.HasSuperScales, _hasMin = format.HasMin;
        readonly byte* _block = block;
        readonly byte* _scales = part + format.ScaleOffset(group);
        readonly byte* _mins = part + format.MinOffset(group);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Write(int column, GroupScales scales)
        {
            if (_hasSuperScales)
            {
                ((Half*)_block)[column] = scales.Scale;
                ((sbyte*)_scales)[column] = (sbyte)scales.ScaleFactor;
                if (!_hasMin) return;
                ((Half*)(_block + PanelFormat.SuperMinOffset))[column] = scales.Min;
                ((sbyte*)_mins)[column] = (sbyte)scales.MinFactor;
            }
            else
            {
                ((Half*)_scales)[column] = scales.Scale;
                if (_hasMin) ((Half*)_mins)[column] = scales.Min;
            }
        }
    }
}
