namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Reads weights back out of panels, as floats.</summary>
static unsafe class PanelReader
{
    /// <summary>row[k] = weight [output, k] of the group.</summary>
    public static void ReadRow(PanelGroup group, int output, Span<float> row)
    {
        (int panel, int column) = Math.DivRem(output, PanelFormat.PanelColumns);
        byte* source = group.Address + panel * group.PanelBytes;
        for (int k = 0; k < row.Length; k++) row[k] = ((float*)source)[(nint)k * PanelFormat.PanelColumns + column];
    }
}
