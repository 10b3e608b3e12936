using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// output = x · weightᵀ + bias, split over outputs (and rows, when there are many). An output element is one chain of
/// additions along K, the same in every path: its bits do not depend on the other rows, their number or the threads.
/// </summary>
sealed unsafe class MatMulKernel : IDisposable
{
    readonly WorkerTeam _team;
    GCHandle<MatMulKernel> _self;
    Tensor _x;
    Tensor _output;
    PackedWeight? _weight;

    public MatMulKernel(WorkerTeam team)
    {
        _team = team;
        _self = new GCHandle<MatMulKernel>(this);
    }

    /// <param name="x">[numRows, NumInputs] F32.</param>
    /// <param name="weight">[NumOutputs, NumInputs].</param>
    /// <param name="output">[numRows, NumOutputs] F32, not x.</param>
    public void Run(Tensor x, PackedWeight weight, Tensor output)
    {
        if (x.NumColumns != weight.NumInputs || output.NumColumns != weight.NumOutputs || x.NumRows != output.NumRows)
            throw new ArgumentException($"{weight.Name} [{weight.NumOutputs}, {weight.NumInputs}]: x {x}, output {output}");
        (_x, _weight, _output) = (x, weight, output);
        _team.Run(&RunShare, (void*)GCHandle<MatMulKernel>.ToIntPtr(_self));
    }

    public void Dispose() => _self.Dispose();

    static void RunShare(void* self, int worker, int numWorkers) =>
        GCHandle<MatMulKernel>.FromIntPtr((nint)self).Target.RunShare(worker, numWorkers);

    void RunShare(int worker, int numWorkers)
    {
        foreach (PanelGroup group in _weight!.Groups)
        {
            (int firstPanel, int endPanel) = WorkerTeam.Share(group.NumPanels, worker, numWorkers);
            for (int row = 0; row < _x.NumRows; row++)
            {
                for (int panel = firstPanel; panel < endPanel; panel++)
                {
                    int firstOutput = panel * PanelFormat.PanelColumns;
                    int num = Math.Min(PanelFormat.PanelColumns, group.NumOutputs - firstOutput);
                    Span<float> output = _output.Row<float>(row).Slice(group.FirstOutput + firstOutput, num);
                    ReadOnlySpan<float> bias = _weight.Bias is null ? default : new(_weight.Bias + group.FirstOutput + firstOutput, num);
                    Multiply(_x.Float(row), group.NumInputs, (float*)(group.Address + panel * group.PanelBytes), bias, output);
                }
            }
        }
    }

    static void Multiply(float* x, int numColumns, float* panel, ReadOnlySpan<float> bias, Span<float> output)
    {
        float* sums = stackalloc float[PanelFormat.PanelColumns];
        new Span<float>(sums, PanelFormat.PanelColumns).Clear();
        for (int k = 0; k < numColumns; k++, panel += PanelFormat.PanelColumns)
            for (int i = 0; i < PanelFormat.PanelColumns; i += Vector128<float>.Count)
                Vector128.FusedMultiplyAdd(Vector128.Load(panel + i), Vector128.Create(x[k]), Vector128.Load(sums + i)).Store(sums + i);
        for (int i = 0; i < output.Length; i++) output[i] = sums[i] + (bias.IsEmpty ? 0 : bias[i]);
    }
}
