using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Scale and min of a group of an output.</summary>
/// <param name="Scale">The group's, or the block's super-scale.</param>
/// <param name="Min">The group's, or the block's super-min.</param>
/// <param name="ScaleFactor">What the super-scale is multiplied by.</param>
/// <param name="MinFactor">What the super-min is multiplied by.</param>
readonly unsafe record struct GroupScales(Half Scale, Half Min, int ScaleFactor = 1, int MinFactor = 1)
{
    /// <summary>Reads the values back; a min of 0 where the format has none.</summary>
    public static (float Scale, float Min) Read(PanelFormat format, byte* block, byte* part, int group, int column)
    {
        byte* scales = part + format.ScaleOffset(group), mins = part + format.MinOffset(group);
        if (!format.HasSuperScales)
            return ((float)((Half*)scales)[column], format.HasMin ? (float)((Half*)mins)[column] : 0);
        float scale = (float)((Half*)block)[column] * ((sbyte*)scales)[column];
        if (!format.HasMin) return (scale, 0);
        return (scale, (float)((Half*)(block + PanelFormat.SuperMinOffset))[column] * ((sbyte*)mins)[column]);
    }
}
