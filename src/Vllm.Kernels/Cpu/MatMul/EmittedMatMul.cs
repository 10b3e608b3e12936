using System.Collections.Concurrent;
using Vllm.Kernels.Cpu.CodeGen;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Machine code for AVX-512 (with VNNI for quantized, BF16 for bf16 weights). One kernel per format, rows of a row
/// block and prefetches, assembled at its first use. How a product is cut into row blocks and chunks follows the number
/// of rows; no choice changes a bit.
/// </summary>
sealed unsafe class EmittedMatMul : MatMulVariant
{
    /// <summary>Up to this many rows, weights come from memory faster than rows can use them, so that chunks of weights
    /// stay in L1 for all rows; above, a whole panel stays in L2.</summary>
    const int MaxChunkedRows = 48;

    /// <summary>A quarter of a 32 KB L1: x rows, sums and the next chunk share it.</summary>
    const int ChunkBytes = 8 << 10;

    /// <summary>Must exceed the chunk. On Zen 5, 4 KB lost a third and no prefetch 60 %; on Zen 4, chunks of 12 KB with
    /// 20 KB are equal.</summary>
    const int ChunkPrefetchBytes = 16 << 10;

    /// <summary>Ahead of a single row block, whose weights are one sequential stream; 2 to 16 KB are equal. Without
    /// prefetches one thread alone is faster by some formats, but decode steps of two threads lose up to 20 %
    /// (Zen 4).</summary>
    const int StreamPrefetchBytes = 4 << 10;

    readonly KernelCompiler _compiler = new();
    readonly ConcurrentDictionary<(PanelFormat Format, int NumRows, Prefetches Prefetches), nint> _kernels = new();

    readonly Dictionary<PanelFormat, TileEmitter> _tiles = PanelFormat.All
        .Select(TileEmitter.For).OfType<TileEmitter>().ToDictionary(tile => tile.Format);

    public override string Name => "avx512";

    public override bool Supports(PanelFormat format) => _tiles.ContainsKey(format);

    public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch)
    {
        TileEmitter tile = _tiles[format];
        int numRowBlocks = (product.NumRows + tile.MaxRows - 1) / tile.MaxRows;
        (int numRows, int numLarge) = Math.DivRem(product.NumRows, numRowBlocks);
        bool isChunked = numRowBlocks > 1 && product.NumRows <= MaxChunkedRows;
        nint panelBytes = (nint)product.NumBlocks * format.BlockBytes;
        var arguments = new PanelLoopArguments
        {
            X = product.X,
            XStrideBytes = product.XStrideBytes,
            W = product.W,
            NumBlocks = product.NumBlocks,
            NumPanels = product.NumPanels,
            Y = product.Y,
            YStrideBytes = product.YStrideBytes,
            NumLargeRowBlocks = numLarge,
            NumSmallRowBlocks = numRowBlocks - numLarge,
            ChunkBlocks = isChunked ? Math.Max(1, ChunkBytes / format.BlockBytes) : product.NumBlocks,
            PrefetchBytes = isChunked ? ChunkPrefetchBytes : numRowBlocks == 1 ? StreamPrefetchBytes : panelBytes,
            Scratch = (byte*)scratch,
            ReadAhead = product.ReadAhead,
        };
        bool readsAhead = product.ReadAhead is not null && !product.ReadAhead->IsAtEnd;
        var prefetches = new Prefetches(NumPrefetches(format, numRowBlocks), readsAhead ? tile.NumReadAhead : 0);
        nint kernel = Kernel(format, numRows, prefetches);
        ((delegate* unmanaged<PanelLoopArguments*, void>)kernel)(&arguments);
    }

    public override void Dispose() => _compiler.Dispose();

    /// <summary>Cache lines that each row block prefetches per part: its share of a part.</summary>
    static int NumPrefetches(PanelFormat format, int numRowBlocks)
    {
        int bytesPerPrefetch = 64 * numRowBlocks * format.PartsPerBlock;
        return (format.BlockBytes + bytesPerPrefetch - 1) / bytesPerPrefetch;
    }

    nint Kernel(PanelFormat format, int numRows, Prefetches prefetches) =>
        _kernels.TryGetValue((format, numRows, prefetches), out nint kernel)
            ? kernel
            : Compile(format, numRows, prefetches);

    nint Compile(PanelFormat format, int numRows, Prefetches prefetches)
    {
        string name = $"matmul {format.Name}, {numRows} rows, {prefetches}";
        nint kernel = _compiler.Compile(name, a => PanelLoopEmitter.Emit(a, _tiles[format], numRows, prefetches));
        return _kernels.GetOrAdd((format, numRows, prefetches), kernel);
    }
}
