using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// A stretch of a panel along K as tiles read it, the same for all quantized formats. Per group:
/// <code>
/// [GroupSize / 4][32][4] codes - offset, int8       a quad of columns a line; 16 outputs of all lines are a tile
/// [32] fp32 scales
/// [32] fp32 mins                                    if any
/// </code>
/// Signed codes make integer sums start at 0, as tiles do. Unpacking takes about a tenth of the time of 64 rows, by count
/// of instructions.
/// </summary>
static unsafe class AmxPanelChunk
{
    /// <summary>The chunk, the rows of a tile and their sums fit an L1 cache of 48 KB.</summary>
    public const int MaxColumns = 512;

    /// <summary>The largest: groups of 16 with mins.</summary>
    public const int MaxBytes = MaxColumns * PanelFormat.PanelColumns + MaxColumns / 16 * 2 * PanelFormat.LineBytes;

    public static int ScaleOffset(PanelFormat format) => format.GroupSize * PanelFormat.PanelColumns;

    public static int MinOffset(PanelFormat format) => ScaleOffset(format) + PanelFormat.LineBytes;

    public static int GroupBytes(PanelFormat format) =>
        ScaleOffset(format) + (format.HasMin ? 2 : 1) * PanelFormat.LineBytes;

    /// <param name="format">Quantized.</param>
    /// <param name="blocks">[numBlocks][BlockBytes].</param>
    /// <param name="numBlocks">At most <see cref="MaxColumns"/> columns of them.</param>
    /// <param name="target">[groups][<see cref="GroupBytes"/>], 64-byte aligned.</param>
    /// <returns>The number of groups.</returns>
    public static int Unpack(PanelFormat format, byte* blocks, int numBlocks, byte* target)
    {
        int groupBytes = GroupBytes(format);
        byte* group = target;
        for (byte* block = blocks; block < blocks + (nint)numBlocks * format.BlockBytes; block += format.BlockBytes)
        {
            byte* part = block + format.SuperBytes;
            for (int p = 0; p < format.PartsPerBlock; p++, part += format.PartBytes)
            {
                for (int g = 0; g < format.GroupsPerPart; g++, group += groupBytes)
                {
                    UnpackCodes(format, part, g, group);
                    byte* scales = part + format.ScaleOffset(g), mins = part + format.MinOffset(g);
                    float* target32 = (float*)(group + ScaleOffset(format));
                    UnpackScales(format, block, scales, target32);
                    if (!format.HasMin) continue;
                    UnpackScales(format, block + PanelFormat.SuperMinOffset, mins, target32 + PanelFormat.PanelColumns);
                }
            }
        }

        return (int)((group - target) / groupBytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void UnpackCodes(PanelFormat format, byte* part, int group, byte* target)
    {
        Vector512<byte> offset = Vector512.Create((byte)format.CodeOffset);
        int numLines = format.LinesPerGroup;
        ReadOnlySpan<CodeLine> lines = format.CodeLines.AsSpan(group * numLines, numLines);
        foreach (ref readonly CodeLine line in lines)
        {
            uint* baseBits = (uint*)(part + line.BaseOffset), extraBits = (uint*)(part + line.ExtraOffset);
            for (int column = 0; column < PanelFormat.PanelColumns; column += Vector512<uint>.Count)
            {
                Vector512<uint> codes = Vector512.Load(baseBits + column) & Vector512.Create(line.BaseMask);
                if (line.ExtraMask != 0)
                {
                    Vector512<uint> extra = Vector512.Load(extraBits + column);
                    extra = line.ExtraShift >= 0 ? extra >>> line.ExtraShift : extra << -line.ExtraShift;
                    codes |= extra & Vector512.Create(line.ExtraMask);
                }

                ((codes >>> line.FactorBits).AsByte() - offset).StoreAligned(target);
                target += Vector512<byte>.Count;
            }
        }
    }

    /// <summary>fp16, or int8 times the fp16 of <paramref name="supers"/>: exact in fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void UnpackScales(PanelFormat format, byte* supers, byte* scales, float* target)
    {
        bool hasSuperScales = format.HasSuperScales;
        for (int column = 0; column < PanelFormat.PanelColumns; column += Lanes512.Count)
        {
            Vector512<float> values = hasSuperScales
                ? Lanes512.Load((Half*)supers + column) * Lanes512.ToFloat(Lanes512.Load((sbyte*)scales + column))
                : Lanes512.Load((Half*)scales + column);
            values.Store(target + column);
        }
    }
}
