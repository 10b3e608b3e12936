using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// One way to compute a <see cref="PanelProduct"/>. All order the floating-point operations of an output by k alone:
/// quantized, sum = 0, then per group t = float(integer dot) * weight scale, sum = fma(t, activation scale, sum) and,
/// with mins, sum = fma(min, scaled sum of activations, sum); otherwise one fma (or <c>vdpbf16ps</c>, or
/// <c>tdpbf16ps</c> per 32 columns) after another.
/// </summary>
abstract class MatMulVariant : IDisposable
{
    /// <summary>As <c>VLLM_KERNEL_MATMUL</c> names it.</summary>
    public abstract string Name { get; }

    public abstract bool Supports(PanelFormat format);

    /// <summary>Why it is not used though the processor could run it; null where there is nothing to say.</summary>
    public virtual string? Refusal => null;

    /// <summary>Called by several workers at once, for different outputs or rows.</summary>
    /// <param name="format">Of the panels.</param>
    /// <param name="product">At least one row, panel and block.</param>
    /// <param name="scratch">The worker's own: <see cref="ScratchBytes"/>, 64-byte aligned.</param>
    public abstract void Multiply(PanelFormat format, in PanelProduct product, nint scratch);

    /// <summary>Partial sums of <see cref="MatMulKernel.SlabRows"/> rows of a panel.</summary>
    protected const int SumsBytes = MatMulKernel.SlabRows * PanelFormat.LineBytes;

    /// <summary>For partial sums, then a stretch of a panel unpacked.</summary>
    public const int ScratchBytes = SumsBytes + AmxPanelChunk.MaxBytes;

    /// <summary>All variants in order of preference: emitted machine code first, since C# has neither tiles nor the
    /// 512-bit <c>vpdpbusd</c> and <c>vdpbf16ps</c>; then the widest vectors that the hardware has; then the reference.
    /// A format is computed by the first variant that supports it here.</summary>
    public static MatMulVariant[] CreateAll()
    {
        var avx512 = new EmittedMatMul();
        return
        [
            new AmxMatMul(avx512),
            avx512,
            new VectorMatMul<Lanes512, Vector512<float>, Vector512<int>>(),
            new VectorMatMul<Lanes256, Vector256<float>, Vector256<int>>(),
            new VectorMatMul<Lanes128, Vector128<float>, Vector128<int>>(),
            new ScalarMatMul(),
        ];
    }

    public virtual void Dispose() { }
}
