using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Turns stored rows into panels, on all workers.</summary>
static unsafe class PanelPacker
{
    /// <summary>How a stored type is packed for a compute type.</summary>
    public static PanelFormat FormatFor(GgmlType type, DType dtype) => PanelFormat.F32;

    /// <summary>Fills the group's panels.</summary>
    /// <param name="team">Each worker packs a stretch of panels.</param>
    /// <param name="group">Zeroed.</param>
    /// <param name="parts">Its rows, stacked.</param>
    public static void Pack(WorkerTeam team, PanelGroup group, List<StoredMatrix> parts) =>
        team.ParallelFor(group.NumPanels, panel => PackFloats(group, parts, panel));

    static void PackFloats(PanelGroup group, List<StoredMatrix> parts, int panel)
    {
        float[] row = new float[group.NumInputs];
        float* target = (float*)(group.Address + panel * group.PanelBytes); // [K][32]
        int firstOutput = panel * PanelFormat.PanelColumns;
        int numColumns = Math.Min(PanelFormat.PanelColumns, group.NumOutputs - firstOutput);
        for (int column = 0; column < numColumns; column++)
        {
            (StoredMatrix part, int partRow) = Locate(parts, firstOutput + column);
            part.DequantizeRow(partRow, row);
            for (int k = 0; k < row.Length; k++) target[(nint)k * PanelFormat.PanelColumns + column] = row[k];
        }
    }

    static (StoredMatrix Part, int Row) Locate(List<StoredMatrix> parts, int row)
    {
        int i = 0;
        while (row >= parts[i].NumRows) row -= parts[i++].NumRows;
        return (parts[i], row);
    }
}
