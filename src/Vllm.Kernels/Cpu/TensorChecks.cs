using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Cpu;

/// <summary>Checks at the entry of an operation, so that kernels need none.</summary>
static class TensorChecks
{
    /// <summary>Throws unless the tensor is F32 of exactly this shape.</summary>
    public static void RequireF32(
        this Tensor tensor, int numRows, int numColumns, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        if (tensor.DType != DType.F32 || tensor.NumRows != numRows || tensor.NumColumns != numColumns)
            throw new ArgumentException($"{name} is {tensor}; expected F32[{numRows}, {numColumns}]", name);
    }
}
