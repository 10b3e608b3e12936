using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Reads weights back out of panels, as floats.</summary>
static unsafe class PanelReader
{
    /// <summary>row[k] = weight [output, k] of the group.</summary>
    public static void ReadRow(PanelGroup group, int output, Span<float> row)
    {
        (int panel, int column) = Math.DivRem(output, PanelFormat.PanelColumns);
        byte* source = group.Address + panel * group.PanelBytes;
        if (group.Format.IsQuantized) ReadCodes(group.Format, source, column, row);
        else ReadFloats(group.Format, source, column, row);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void ReadCodes(PanelFormat format, byte* panel, int column, Span<float> row)
    {
        int linesPerGroup = format.LinesPerGroup, groupsPerPart = format.GroupsPerPart;
        for (int first = 0, group = 0; first < row.Length; first += format.GroupSize, group++)
        {
            (int partIndex, int inPart) = Math.DivRem(group, groupsPerPart);
            (int blockIndex, int inBlock) = Math.DivRem(partIndex, format.PartsPerBlock);
            byte* block = panel + (nint)blockIndex * format.BlockBytes;
            byte* part = block + format.SuperBytes + inBlock * format.PartBytes;
            (float scale, float min) = GroupScales.Read(format, block, part, inPart, column);
            for (int u = 0; u < linesPerGroup; u++)
            {
                uint codes = format.CodeLines[inPart * linesPerGroup + u].Read(part, column);
                for (int i = 0; i < 4; i++)
                    row[first + 4 * u + i] = ((int)(codes >> (8 * i) & 0xFF) - format.CodeOffset) * scale + min;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void ReadFloats(PanelFormat format, byte* source, int column, Span<float> row)
    {
        const int Columns = PanelFormat.PanelColumns;
        for (int k = 0; k < row.Length; k++)
        {
            if (format == PanelFormat.F32) row[k] = ((float*)source)[(nint)k * Columns + column];
            else if (format == PanelFormat.F16) row[k] = (float)((Half*)source)[(nint)k * Columns + column];
            else row[k] = BFloat16.ToSingle(((ushort*)source)[((nint)(k / 2) * Columns + column) * 2 + k % 2]);
        }
    }
}

/// <summary>The upper half of an fp32.</summary>
static class BFloat16
{
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
