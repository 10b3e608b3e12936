using System.Runtime.CompilerServices;
using Vllm.Kernels.Cpu.Simd;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Norm;

/// <summary>
/// Root-mean-square normalization: output = x / sqrt(mean(x²) + eps) * weight, row by row. The sum of squares of a row
/// is taken in four vector accumulators and added in a fixed order, whatever the other rows are.
/// </summary>
static unsafe class RmsNormKernel
{
    /// <summary>The row bodies by vector width; <c>VLLM_KERNEL_RMSNORM</c> forces one.</summary>
    internal static KernelVariants<nint> Variants { get; } = VectorWidths.Variants(
        "RMSNORM",
        (nint)(delegate*<void*, int, int, void>)&Rows<Float512>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float256>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float128>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float1>);

    /// <summary>output = RmsNorm(x).</summary>
    /// <param name="team">Shares the rows when there are many.</param>
    /// <param name="x">F32 [numRows, width].</param>
    /// <param name="weight">F32 [1, width].</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="output">F32 [numRows, width]; may be x.</param>
    public static void Run(WorkerTeam team, Tensor x, Tensor weight, float eps, Tensor output) =>
        Run(team, x, default, weight, eps, output, Variants.Chosen.Kernel);

    /// <summary>residual += x; output = RmsNorm(residual).</summary>
    /// <param name="team">Shares the rows when there are many.</param>
    /// <param name="x">F32 [numRows, width].</param>
    /// <param name="residual">F32 [numRows, width], updated; not x.</param>
    /// <param name="weight">F32 [1, width].</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="output">F32 [numRows, width]; may be x.</param>
    public static void RunAdd(WorkerTeam team, Tensor x, Tensor residual, Tensor weight, float eps, Tensor output)
    {
        residual.RequireF32(x.NumRows, x.NumColumns);
        Run(team, x, residual, weight, eps, output, Variants.Chosen.Kernel);
    }

    /// <summary>Runs one variant; a default <paramref name="residual"/> adds nothing.</summary>
    internal static void Run(
        WorkerTeam team, Tensor x, Tensor residual, Tensor weight, float eps, Tensor output, nint variant)
    {
        x.RequireF32(x.NumRows, x.NumColumns);
        weight.RequireF32(1, x.NumColumns);
        output.RequireF32(x.NumRows, x.NumColumns);
        var job = new Job { X = x, Residual = residual, Weight = weight, Output = output, Eps = eps };
        RowWork.Run(team, x.NumRows, x.NumColumns, (delegate*<void*, int, int, void>)variant, &job);
    }

    struct Job
    {
        public Tensor X, Residual, Weight, Output;
        public float Eps;
    }

    static void Rows<TVector>(void* state, int worker, int numWorkers) where TVector : unmanaged, IFloatVector<TVector>
    {
        var job = (Job*)state;
        int width = job->X.NumColumns;
        (int first, int end) = WorkerTeam.Share(job->X.NumRows, worker, numWorkers);
        for (int row = first; row < end; row++)
        {
            float* x = job->X.Float(row);
            if (job->Residual.Address != 0)
            {
                float* residual = job->Residual.Float(row);
                Add<TVector>(residual, x, width);
                x = residual;
            }
            float scale = 1 / MathF.Sqrt(SumOfSquares<TVector>(x, width) / width + job->Eps);
            Scale<TVector>(x, scale, job->Weight.Float(0), job->Output.Float(row), width);
        }
    }

    /// <summary>sum += x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Add<TVector>(float* sum, float* x, int width) where TVector : unmanaged, IFloatVector<TVector>
    {
        int i = 0;
        for (; i <= width - TVector.Width; i += TVector.Width)
            (TVector.Load(sum + i) + TVector.Load(x + i)).Store(sum + i);
        for (; i < width; i++) sum[i] += x[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static float SumOfSquares<TVector>(float* x, int width) where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector s0 = TVector.Zero, s1 = TVector.Zero, s2 = TVector.Zero, s3 = TVector.Zero;
        int w = TVector.Width, i = 0;
        for (; i <= width - 4 * w; i += 4 * w)
        {
            s0 = AddSquare(x + i, s0);
            s1 = AddSquare(x + i + w, s1);
            s2 = AddSquare(x + i + 2 * w, s2);
            s3 = AddSquare(x + i + 3 * w, s3);
        }
        for (; i <= width - w; i += w) s0 = AddSquare(x + i, s0);
        float sum = TVector.Sum(s0 + s1 + (s2 + s3));
        for (; i < width; i++) sum = MathF.FusedMultiplyAdd(x[i], x[i], sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static TVector AddSquare<TVector>(float* x, TVector sum) where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector value = TVector.Load(x);
        return TVector.FusedMultiplyAdd(value, value, sum);
    }

    /// <summary>output = x * scale * weight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Scale<TVector>(float* x, float scale, float* weight, float* output, int width)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector factor = TVector.Create(scale);
        int i = 0;
        for (; i <= width - TVector.Width; i += TVector.Width)
            (TVector.Load(x + i) * factor * TVector.Load(weight + i)).Store(output + i);
        for (; i < width; i++) output[i] = x[i] * scale * weight[i];
    }
}
