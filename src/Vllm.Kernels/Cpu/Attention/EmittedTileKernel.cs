using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.Simd;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>The tile step for BF16, or codes of it in 8 bits, in emitted AVX-512 code (see <see cref="AttentionTileEmitter"/>): twice as fast as the best C#
/// can be, which has no 512-bit <c>vdpbf16ps</c>. Code for a number of rows, a mask and a prefetch is emitted when
/// first needed.</summary>
sealed unsafe class EmittedTileKernel(TileShape shape) : TileKernel
{
    const int NumSubs = TileTokens / SubTokens;
    const int NumPrefetches = (int)PrefetchLines.All + 1;

    readonly KernelCompiler _compiler = new();
    readonly Lock _compiling = new();

    /// <summary>[numRows][masked sub-tiles, or prefetch when not masked] entry points; 0 = not emitted yet.</summary>
    readonly nint[] _code = new nint[(MaxRows + 1) * (NumSubs + NumPrefetches)];

    public override int QueryRowBytes => shape.Dims * sizeof(ushort);

    public override bool ReadsCodes => KvCode.Of(shape.DType) is not null;

    public override void PackQuery(float* query, int headDim, float scale, byte* packed)
    {
        var row = (ushort*)packed;
        int d = 0;
        for (; d <= headDim - 16; d += 16) (Float512.Load(query + d) * Float512.Create(scale)).StoreBFloat16(row + d);
        for (; d < headDim; d++) new Float1(query[d] * scale).StoreBFloat16(row + d);
        for (; d < shape.Dims; d++) row[d] = 0;
    }

    public override void Run(TileArguments* arguments, int numRows, bool isMasked, PrefetchLines prefetch)
    {
        int numMaskedSubs = isMasked ? (int)(arguments->EndPair * 2 + SubTokens - 1) / SubTokens : 0;
        int index = numRows * (NumSubs + NumPrefetches) + (isMasked ? NumPrefetches + numMaskedSubs - 1 : (int)prefetch);
        nint code = Volatile.Read(ref _code[index]);
        if (code == 0) code = Compile(index, numRows, numMaskedSubs, isMasked ? PrefetchLines.None : prefetch);
        ((delegate* unmanaged<TileArguments*, void>)code)(arguments);
    }

    nint Compile(int index, int numRows, int numMaskedSubs, PrefetchLines prefetch)
    {
        lock (_compiling)
        {
            if (_code[index] == 0)
                Volatile.Write(ref _code[index], _compiler.Compile(
                    $"attention tile {numRows} rows, {shape}, {numMaskedSubs} masked, prefetch {prefetch}",
                    a => new AttentionTileEmitter(a, shape, numRows, numMaskedSubs, prefetch).Emit()));
            return _code[index];
        }
    }

    public override void Dispose() => _compiler.Dispose();
}
