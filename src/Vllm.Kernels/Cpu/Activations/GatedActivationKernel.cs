using System.Runtime.CompilerServices;
using Vllm.Kernels.Cpu.Simd;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Activations;

/// <summary>The middle of a gated MLP: output = activation(gate) * up, element by element.</summary>
static unsafe class GatedActivationKernel
{
    /// <summary>The row bodies by vector width; <c>VLLM_KERNEL_ACTIVATION</c> forces one.</summary>
    internal static KernelVariants<nint> Variants { get; } = VectorWidths.Variants(
        "ACTIVATION",
        (nint)(delegate*<void*, int, int, void>)&Rows<Float512>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float256>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float128>,
        (nint)(delegate*<void*, int, int, void>)&Rows<Float1>);

    /// <summary>output = activation(gate) * up.</summary>
    /// <param name="team">Shares the rows when there are many.</param>
    /// <param name="gateUp">F32 [numRows, 2 * width]: gate, then up.</param>
    /// <param name="activation">Function of the gate.</param>
    /// <param name="output">F32 [numRows, width], not overlapping gateUp.</param>
    public static void Run(WorkerTeam team, Tensor gateUp, Activation activation, Tensor output) =>
        Run(team, gateUp, activation, output, Variants.Chosen.Kernel);

    internal static void Run(WorkerTeam team, Tensor gateUp, Activation activation, Tensor output, nint variant)
    {
        gateUp.RequireF32(output.NumRows, checked(2 * output.NumColumns));
        output.RequireF32(output.NumRows, output.NumColumns);
        var job = new Job { GateUp = gateUp, Output = output, Activation = activation };
        // An element costs several times one of the other small operations.
        RowWork.Run(team, output.NumRows, 4 * output.NumColumns, (delegate*<void*, int, int, void>)variant, &job);
    }

    struct Job
    {
        public Tensor GateUp, Output;
        public Activation Activation;
    }

    static void Rows<TVector>(void* state, int worker, int numWorkers) where TVector : unmanaged, IFloatVector<TVector>
    {
        var job = (Job*)state;
        (int first, int end) = WorkerTeam.Share(job->Output.NumRows, worker, numWorkers);
        for (int row = first; row < end; row++)
        {
            float* gate = job->GateUp.Float(row), output = job->Output.Float(row);
            int width = job->Output.NumColumns;
            switch (job->Activation)
            {
                case Activation.Silu: Row<TVector, Silu>(gate, width, output); break;
                case Activation.Gelu: Row<TVector, Gelu>(gate, width, output); break;
                default: Row<TVector, GeluTanh>(gate, width, output); break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Row<TVector, TFunction>(float* gate, int width, float* output)
        where TVector : unmanaged, IFloatVector<TVector>
        where TFunction : IActivation
    {
        float* up = gate + width;
        int i = 0;
        for (; i <= width - TVector.Width; i += TVector.Width)
            (TFunction.Apply(TVector.Load(gate + i)) * TVector.Load(up + i)).Store(output + i);
        // The tail repeats the vector code on a padded copy, so that an element's bits do not depend on its column.
        if (i == width) return;
        float* tail = stackalloc float[16];
        new Span<float>(gate + i, width - i).CopyTo(new Span<float>(tail, 16));
        TFunction.Apply(TVector.Load(tail)).Store(tail);
        for (int j = 0; i + j < width; j++) output[i + j] = tail[j] * up[i + j];
    }

    interface IActivation
    {
        static abstract TVector Apply<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector>;
    }

    /// <summary>x / (1 + e^-x).</summary>
    readonly struct Silu : IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector> =>
            x / (TVector.Create(1f) + FloatMath.Exp(TVector.Zero - x));
    }

    /// <summary>x / 2 * (1 + erf(x / √2)).</summary>
    readonly struct Gelu : IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector> =>
            TVector.Create(0.5f) * x * FloatMath.OnePlusErf(x * TVector.Create(0.70710678f));
    }

    /// <summary>x / 2 * (1 + tanh(√(2/π) (x + 0.044715 x³))), by (1 + tanh u) / 2 = 1 / (1 + e^-2u).</summary>
    readonly struct GeluTanh : IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector>(TVector x) where TVector : unmanaged, IFloatVector<TVector>
        {
            TVector inner = TVector.FusedMultiplyAdd(x * x * x, TVector.Create(0.044715f), x);
            return x / (TVector.Create(1f) + FloatMath.Exp(inner * TVector.Create(-1.59576912f)));
        }
    }
}
