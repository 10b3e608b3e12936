using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vllm.Kernels.Cpu.Sampling;

/// <summary>A way to compute the sampling kernels, with the condition under which it can run.</summary>
public sealed record SamplingKernelsVariant(string Name, bool IsSupported, SamplingKernels Kernels);

/// <summary>
/// Passes over one row of logits or over the few tokens taken from it. All are fp32, contiguous, of any length and
/// alignment; spans of one call may not overlap unless a method says so. NaN counts as "not a token": it is never a
/// maximum, never at least a threshold and has no weight. A result depends on the row only, not on the thread or on
/// other rows.
/// </summary>
public abstract class SamplingKernels
{
    /// <summary>Elements that share one entry of <see cref="BlockMaxima"/>: small enough that a block that holds a
    /// candidate is cheap to read again.</summary>
    public const int MaximaBlock = 128;

    /// <summary>Elements that share one entry of <see cref="SumExp"/>'s sums: about the square root of a vocabulary,
    /// so that a draw of a block and a draw in it cost the same.</summary>
    public const int SumBlock = 512;

    /// <summary>In order of preference: wider is faster wherever the hardware has it; the reference comes last.
    /// The environment variable <c>VLLM_KERNEL_SAMPLING</c> forces one by name.</summary>
    public static IReadOnlyList<SamplingKernelsVariant> Variants { get; } =
    [
        new("avx512", Vector512.IsHardwareAccelerated && Avx512DQ.IsSupported,
            new VectorSamplingKernels<Vector512<float>, Width512>()),
        new("avx2", Avx2.IsSupported && Fma.IsSupported, new VectorSamplingKernels<Vector256<float>, Width256>()),
        new("vector128", Vector128.IsHardwareAccelerated, new VectorSamplingKernels<Vector128<float>, Width128>()),
        new("scalar", true, new ScalarSamplingKernels()),
    ];

    /// <summary>The forced variant or the first one that runs here.</summary>
    public static SamplingKernels Default { get; } = Choose(Environment.GetEnvironmentVariable("VLLM_KERNEL_SAMPLING"));

    internal static KernelChoice Choice => KernelChoice.Of(
        "SAMPLING",
        Variants.First(variant => variant.Kernels == Default).Name,
        Variants.Where(variant => variant.IsSupported).Select(variant => variant.Name));

    static SamplingKernels Choose(string? forced) =>
        Variants.FirstOrDefault(v => v.IsSupported && (string.IsNullOrEmpty(forced) || v.Name == forced))?.Kernels
        ?? throw new ArgumentException(
            $"VLLM_KERNEL_SAMPLING={forced} is not one of: "
            + string.Join(", ", Variants.Where(v => v.IsSupported).Select(v => v.Name)));

    /// <summary>Number of entries of a row that is cut into blocks.</summary>
    public static int NumBlocks(int length, int block) => (length + block - 1) / block;

    /// <summary>Index of the largest element, the first among equals; 0 when none is above minus infinity.</summary>
    public abstract int Argmax(ReadOnlySpan<float> x);

    /// <summary>maxima[b] = max of x[b·128 … b·128+127]; returns the largest of all, minus infinity when empty.
    /// maxima: [ceil(x.Length / <see cref="MaximaBlock"/>)].</summary>
    public abstract float BlockMaxima(ReadOnlySpan<float> x, Span<float> maxima);

    /// <summary>sums[b] = Σ exp((x[i] - max) / temperature) over blocks of 512; returns the sum of all.
    /// max: the largest element, finite. sums: [ceil(x.Length / <see cref="SumBlock"/>)].</summary>
    public abstract double SumExp(ReadOnlySpan<float> x, float max, float temperature, Span<float> sums);

    /// <summary>weights[i] = exp((x[i] - max) / temperature); <paramref name="weights"/> may be x.</summary>
    public abstract void Exp(ReadOnlySpan<float> x, float max, float temperature, Span<float> weights);

    /// <summary>x[i] /= divisor.</summary>
    public abstract void Divide(Span<float> x, float divisor);

    /// <summary>Writes value and index of every x[i] ≥ threshold, in order; returns their number. maxima: of
    /// <see cref="BlockMaxima"/>; blocks below the threshold are not read. values, ids: [x.Length], as all may
    /// qualify; what stands behind the written ones afterwards is undefined.</summary>
    public abstract int Collect(
        ReadOnlySpan<float> x, ReadOnlySpan<float> maxima, float threshold, Span<float> values, Span<int> ids);

    /// <summary>Number of x[i] ≥ threshold.</summary>
    public abstract int CountAtLeast(ReadOnlySpan<float> x, float threshold);

    /// <summary>Number of (x[i] - a) - b ≥ threshold, each step rounded to fp32.</summary>
    public abstract int CountAtLeast(ReadOnlySpan<float> x, float a, float b, float threshold);

    /// <summary>Σ weights[i] over values[i] ≥ threshold. Does not increase with the threshold.</summary>
    public abstract double MassAtLeast(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float threshold);

    /// <summary>Copies every values[i] with low ≤ values[i] and not ≥ high, and its weight, bit for bit and in order; returns
    /// their number. keptValues, keptWeights: [values.Length]; may be values and weights.</summary>
    public abstract int CollectBetween(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float low, float high,
        Span<float> keptValues, Span<float> keptWeights);

    /// <summary>The race: index of the largest weights[i] / exponential[i], the first among equals.</summary>
    public abstract int Race(ReadOnlySpan<float> weights, ReadOnlySpan<float> exponential);
}
