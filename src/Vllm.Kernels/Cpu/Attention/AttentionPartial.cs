using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vllm.Kernels.Cpu.Simd;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Attention of some rows over some tokens, before the division by the sums: [numRows, dims] outputs, then
/// the rows' maxima, then their sums.</summary>
readonly unsafe struct AttentionPartial(float* address, int numRows, int dims)
{
    readonly float* _address = address;
    readonly int _numRows = numRows;
    readonly int _dims = dims;

    public static int NumFloats(int numRows, int dims) => numRows * dims + 2 * RowBlock.MaxRows;

    public float* Outputs => _address;

    public float* Maxima => _address + (nint)_numRows * _dims;

    public float* Sums => Maxima + RowBlock.MaxRows;

    /// <summary>Includes the result over later tokens. A result over no visible token has a maximum so low that its
    /// factor is 0 and changes nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Merge(AttentionPartial later)
    {
        for (int row = 0; row < _numRows; row++)
        {
            float maximum = MathF.Max(Maxima[row], later.Maxima[row]);
            float factor = FloatMath.Exp2(new Float1(Maxima[row] - maximum)).Value;
            float laterFactor = FloatMath.Exp2(new Float1(later.Maxima[row] - maximum)).Value;
            Maxima[row] = maximum;
            Sums[row] = Sums[row] * factor + later.Sums[row] * laterFactor;
            float* output = Outputs + (nint)row * _dims, laterOutput = later.Outputs + (nint)row * _dims;
            for (int d = 0; d < _dims; d += Vector128<float>.Count)
                (Vector128.Load(output + d) * factor + Vector128.Load(laterOutput + d) * laterFactor).Store(output + d);
        }
    }

    /// <summary>Stores output / sum of a row; the sink, a score as a power of two, is one more term of the sum. Adding 0 turns -0 into +0: the sign of a zero is the one thing that masked
    /// tokens can change.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public void Finish(int row, float* destination, int headDim, float sink)
    {
        float* output = Outputs + (nint)row * _dims;
        float maximum = MathF.Max(Maxima[row], sink);
        float factor = FloatMath.Exp2(new Float1(Maxima[row] - maximum)).Value; // 1 unless the sink is the larger
        float inverse = factor / (Sums[row] * factor + FloatMath.Exp2(new Float1(sink - maximum)).Value);
        int d = 0;
        for (; d <= headDim - Vector128<float>.Count; d += Vector128<float>.Count)
            (Vector128.Load(output + d) * inverse + Vector128<float>.Zero).Store(destination + d);
        for (; d < headDim; d++) destination[d] = output[d] * inverse + 0f;
    }
}
