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
/// Signed codes make integer sums start at 0, as tiles do.
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static int Unpack(PanelFormat format, byte* blocks, int numBlocks, byte* target)
    {
        int partsPerBlock = format.PartsPerBlock, groupsPerPart = format.GroupsPerPart, partBytes = format.PartBytes;
        int superBytes = format.SuperBytes, blockBytes = format.BlockBytes, scalesBytes = format.ScalesBytes;
        int scaleOffset = format.ScaleOffset(0), minOffset = format.MinOffset(0), linesPerGroup = format.LinesPerGroup;
        bool hasMin = format.HasMin, hasSuperScales = format.HasSuperScales;
        var codeOffset = Vector512.Create((byte)format.CodeOffset);
        ReadOnlySpan<CodeLine> lines = format.CodeLines;
        byte* start = target;
        for (int b = 0; b < numBlocks; b++, blocks += blockBytes)
        {
            byte* part = blocks + superBytes;
            for (int p = 0; p < partsPerBlock; p++, part += partBytes)
            {
                for (int group = 0; group < groupsPerPart; group++)
                {
                    UnpackCodes(lines.Slice(group * linesPerGroup, linesPerGroup), part, codeOffset, target);
                    target += linesPerGroup * PanelFormat.LineBytes;
                    byte* super = hasSuperScales ? blocks : null;
                    UnpackScales(super, part + scaleOffset + group * scalesBytes, (float*)target);
                    target += PanelFormat.LineBytes;
                    if (!hasMin) continue;
                    super = hasSuperScales ? blocks + PanelFormat.SuperMinOffset : null;
                    UnpackScales(super, part + minOffset + group * scalesBytes, (float*)target);
                    target += PanelFormat.LineBytes;
                }
            }
        }

        return (int)((target - start) / GroupBytes(format));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void UnpackCodes(ReadOnlySpan<CodeLine> lines, byte* part, Vector512<byte> offset, byte* target)
    {
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

    /// <summary>fp16, or int8 times the fp16 of <paramref name="supers"/> if any: exact in fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void UnpackScales(byte* supers, byte* scales, float* target)
    {
        for (int column = 0; column < PanelFormat.PanelColumns; column += Lanes512.Count)
        {
            Vector512<float> values = supers is null
                ? Lanes512.Load((Half*)scales + column)
                : Lanes512.Load((Half*)supers + column) * Lanes512.ToFloat(Lanes512.Load((sbyte*)scales + column));
            values.StoreAligned(target + column);
        }
    }
}
