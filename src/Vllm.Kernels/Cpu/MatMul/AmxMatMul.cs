using System.Collections.Concurrent;
using System.Runtime.Intrinsics.X86;
using Vllm.Kernels.Cpu.CodeGen;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Quantized products of many rows in AMX tiles. Panels are unpacked chunk by chunk, see <see cref="AmxPanelChunk"/>;
/// all rows pass over a chunk. Few rows, which wait for memory anyway, go to <see cref="EmittedMatMul"/>, whose bits are
/// the same.
/// </summary>
/// <remarks>bf16 weights stay with it for all rows: <c>tdpbf16ps</c> adds in an order of its own, so that a single row
/// would have to go through tiles too, and no comparison at the start could tell a right result from a wrong one by its
/// bits. How much tiles gain was never measured; by count of instructions, three times from 16 rows.</remarks>
unsafe class AmxMatMul(EmittedMatMul fewRows) : MatMulVariant
{
    /// <summary>By count of instructions, half a tile of rows is still faster than 8 rows without.</summary>
    const int MinRows = 8;

    static readonly Lazy<string?> SelfCheck = new(AmxSelfCheck.Run);

    readonly KernelCompiler _compiler = new();
    readonly ConcurrentDictionary<AmxKernel, nint> _kernels = new();

    public override string Name => "amx";

    public override string? Refusal => CpuFeatures.HasAmxInt8 ? SelfCheck.Value : CpuFeatures.TileRefusal;

    public override bool Supports(PanelFormat format) =>
        format.IsQuantized && CpuFeatures.HasAmxInt8 && Refusal is null;

    public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch)
    {
        if (product.NumRows < MinRows)
        {
            fewRows.Multiply(format, product, scratch);
            return;
        }

        int numTiles = (product.NumRows + AmxTileEmitter.MaxRows - 1) / AmxTileEmitter.MaxRows;
        (int numRows, int numLarge) = Math.DivRem(product.NumRows, numTiles);
        var kernel = new AmxKernel(format, numRows);
        var arguments = new AmxArguments
        {
            XStrideBytes = product.XStrideBytes,
            NumLargeTiles = numLarge,
            NumSmallTiles = numTiles - numLarge,
        };
        nint panelBytes = (nint)product.NumBlocks * format.BlockBytes;
        for (int panel = 0; panel < product.NumPanels; panel++)
        {
            byte* w = product.W + panel * panelBytes;
            MultiplyPanel(kernel, product, w, product.Y + panel * PanelFormat.PanelColumns, &arguments, scratch);
        }
    }

    public override void Dispose() => _compiler.Dispose();

    /// <summary>Executes a kernel.</summary>
    /// <param name="kernel">Which.</param>
    /// <param name="arguments">Address of its <see cref="AmxArguments"/>.</param>
    protected virtual void Execute(AmxKernel kernel, nint arguments)
    {
        if (!_kernels.TryGetValue(kernel, out nint address)) address = Compile(kernel);
        ((delegate* unmanaged<nint, void>)address)(arguments);
    }

    void MultiplyPanel(
        AmxKernel kernel, in PanelProduct product, byte* w, float* y, AmxArguments* arguments, nint scratch)
    {
        PanelFormat format = kernel.Format;
        float* sums = (float*)scratch;
        byte* weights = (byte*)scratch + SumsBytes;
        int chunkBlocks = AmxPanelChunk.MaxColumns / format.BlockColumns;
        int blockXBytes = format.BlockColumns / format.GroupSize * (format.GroupSize + GroupTail.SizeBytes);
        for (int block = 0; block < product.NumBlocks; block += chunkBlocks)
        {
            int numBlocks = Math.Min(chunkBlocks, product.NumBlocks - block);
            byte* blocks = w + (nint)block * format.BlockBytes, next = blocks + (nint)numBlocks * format.BlockBytes;
            for (byte* line = next; line < next + (next - blocks); line += 64) Sse.Prefetch1(line);
            bool isLast = block + numBlocks == product.NumBlocks;
            arguments->NumGroups = AmxPanelChunk.Unpack(format, blocks, numBlocks, weights);
            arguments->Weights = weights;
            arguments->X = product.X + (nint)block * blockXBytes;
            arguments->Sums = block == 0 ? null : sums;
            arguments->Y = isLast ? y : sums;
            arguments->YStrideBytes = isLast ? product.YStrideBytes : PanelFormat.LineBytes;
            if (product.ReadAhead is not null) ReadAhead(product.ReadAhead, product.NumRows);
            Execute(kernel, (nint)arguments);
        }
    }

    /// <summary>A cache line per row and chunk comes in less time than its products take, by the estimate above.</summary>
    static void ReadAhead(ReadAheadCursor* cursor, int numLines)
    {
        for (int i = 0; i < numLines && !cursor->IsAtEnd; i++)
        {
            if (cursor->Address >= cursor->End)
            {
                ReadAheadRange* range = cursor->Next;
                *cursor = new ReadAheadCursor { Address = range->Start, End = range->End, Next = range->Next };
            }

            Sse.Prefetch1(cursor->Address);
            cursor->Address += 64;
        }
    }

    nint Compile(AmxKernel kernel)
    {
        string name = $"matmul amx {kernel.Format.Name}, {kernel.NumRows} rows";
        nint address = _compiler.Compile(name, a => AmxTileEmitter.Emit(a, kernel.Format, kernel.NumRows));
        return _kernels.GetOrAdd(kernel, address);
    }
}

/// <summary>A kernel for tiles of <paramref name="NumRows"/> rows, and of one more.</summary>
readonly record struct AmxKernel(PanelFormat Format, int NumRows);
