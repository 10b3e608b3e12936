using System.Collections.Concurrent;
using System.Runtime.Intrinsics.X86;
using Vllm.Kernels.Cpu.CodeGen;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Quantized and bf16 products in AMX tiles, a panel at a time in chunks along K, over which all rows pass.
/// <list type="bullet">
/// <item>Chunks of quantized panels are unpacked (<see cref="AmxPanelChunk"/>). Few rows, which wait for memory anyway,
/// go to <see cref="EmittedMatMul"/>, whose bits are the same.</item>
/// <item>bf16 panels are read as they are, for any number of rows, since tiles have their own order of additions.
/// One row is no slower for it, by estimate: its tile takes some 52 cycles for 2 KB of weights, memory more.</item>
/// </list>
/// </summary>
/// <remarks>Tiles were never measured. By count of instructions, a group of 32 by 32 outputs takes 3.5 cycles a row in
/// tiles and 60 to 100 to unpack (100 measured on Zen 4), and 10 cycles a row in <see cref="EmittedMatMul"/>.</remarks>
unsafe class AmxMatMul(EmittedMatMul fewRows) : MatMulVariant
{
    /// <summary>Of quantized products: fewer would not pay for the unpacking.</summary>
    const int MinQuantizedRows = 16;

    /// <summary>As far as <see cref="EmittedMatMul"/> prefetches ahead of a single row block.</summary>
    const int StreamPrefetchBytes = 4 << 10;

    static readonly Lazy<string?> SelfCheck = new(AmxSelfCheck.Run);

    readonly KernelCompiler _compiler = new();
    readonly ConcurrentDictionary<AmxKernel, nint> _kernels = new();

    public override string Name => "amx";

    public override string? Refusal => CpuFeatures.HasAmxInt8 ? SelfCheck.Value : CpuFeatures.TileRefusal;

    public override bool Supports(PanelFormat format)
    {
        bool hasInstructions = format.IsQuantized ? CpuFeatures.HasAmxInt8 : CpuFeatures.HasAmxBf16;
        return hasInstructions && HasKernel(format) && Refusal is null;
    }

    /// <summary>Whether it can be multiplied in tiles, by whichever machine.</summary>
    public static bool HasKernel(PanelFormat format) => format.IsQuantized || format == PanelFormat.BF16;

    public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch)
    {
        if (format.IsQuantized && product.NumRows < MinQuantizedRows)
        {
            fewRows.Multiply(format, product, scratch);
            return;
        }

        int numTiles = (product.NumRows + AmxLoopEmitter.MaxRows - 1) / AmxLoopEmitter.MaxRows;
        (int numRows, int numLarge) = Math.DivRem(product.NumRows, numTiles);
        var arguments = new AmxArguments
        {
            XStrideBytes = product.XStrideBytes,
            NumLargeTiles = numLarge,
            NumSmallTiles = numTiles - numLarge,
        };
        for (int panel = 0; panel < product.NumPanels; panel++)
        {
            PanelProduct ofPanel = product;
            ofPanel.W += panel * (nint)product.NumBlocks * format.BlockBytes;
            ofPanel.Y += panel * PanelFormat.PanelColumns;
            if (format.IsQuantized) MultiplyCodes(format, numRows, ofPanel, &arguments, scratch);
            else MultiplyBF16(numRows, ofPanel, &arguments, scratch);
        }
    }

    public override void Dispose() => _compiler.Dispose();

    /// <summary>Executes a kernel.</summary>
    /// <param name="kernel">Which.</param>
    /// <param name="arguments">Address of its <see cref="AmxArguments"/>.</param>
    protected virtual void Execute(AmxKernel kernel, nint arguments)
    {
        SignalStack.Enlarge();
        if (!_kernels.TryGetValue(kernel, out nint address)) address = Compile(kernel);
        ((delegate* unmanaged<nint, void>)address)(arguments);
    }

    void MultiplyCodes(
        PanelFormat format, int numRows, in PanelProduct product, AmxArguments* arguments, nint scratch)
    {
        byte* weights = (byte*)scratch + SumsBytes;
        int numHalfSteps = 2 * format.BlockColumns / format.GroupSize;
        var kernel = new AmxKernel(
            format, numRows, format.GroupSize, NumPrefetches(format.BlockBytes, numHalfSteps, arguments));
        int chunkBlocks = AmxPanelChunk.MaxColumns / format.BlockColumns;
        int blockXBytes = format.BlockColumns / format.GroupSize * (format.GroupSize + GroupTail.SizeBytes);
        for (int block = 0; block < product.NumBlocks; block += chunkBlocks)
        {
            int numBlocks = Math.Min(chunkBlocks, product.NumBlocks - block);
            byte* blocks = product.W + (nint)block * format.BlockBytes;
            arguments->Prefetch = blocks + (nint)numBlocks * format.BlockBytes;
            arguments->NumSteps = AmxPanelChunk.Unpack(format, blocks, numBlocks, weights);
            arguments->Weights = weights;
            arguments->X = product.X + (nint)block * blockXBytes;
            SetSums(arguments, product, scratch, block == 0, block + numBlocks == product.NumBlocks);
            ExecuteChunk(kernel, product, arguments);
        }
    }

    void MultiplyBF16(int numRows, in PanelProduct product, AmxArguments* arguments, nint scratch)
    {
        const int StepColumns = AmxBF16Tile.MaxStepColumns, ChunkColumns = 512; // 32 KB
        int numColumns = product.NumBlocks * PanelFormat.BF16.BlockColumns;
        bool isStream = product.NumRows <= AmxLoopEmitter.MaxRows;
        int chunkColumns = isStream ? Math.Max(StepColumns, numColumns / StepColumns * StepColumns) : ChunkColumns;
        for (int column = 0; column < numColumns;)
        {
            int numLeft = numColumns - column;
            int stepColumns = Math.Min(StepColumns, numLeft);
            int numSteps = Math.Min(chunkColumns, numLeft) / stepColumns, end = column + numSteps * stepColumns;
            arguments->NumSteps = numSteps;
            arguments->Weights = product.W + (nint)column * PanelFormat.HalvesBytes;
            arguments->Prefetch =
                isStream ? arguments->Weights + StreamPrefetchBytes : product.W + (nint)end * PanelFormat.HalvesBytes;
            arguments->X = product.X + (nint)column * 2;
            SetSums(arguments, product, scratch, column == 0, end == numColumns);
            int numPrefetches = NumPrefetches(stepColumns * PanelFormat.HalvesBytes, 1, arguments);
            ExecuteChunk(new AmxKernel(PanelFormat.BF16, numRows, stepColumns, numPrefetches), product, arguments);
            column = end;
        }
    }

    /// <summary>Cache lines per step, so that all tiles of rows fetch as many bytes together as they read.</summary>
    static int NumPrefetches(int numBytes, int numSteps, AmxArguments* arguments)
    {
        int bytesPerPrefetch = 64 * numSteps * (int)(arguments->NumLargeTiles + arguments->NumSmallTiles);
        return (numBytes + bytesPerPrefetch - 1) / bytesPerPrefetch;
    }

    /// <summary>Between chunks, sums rest in scratch; the last chunk's are the product.</summary>
    static void SetSums(AmxArguments* arguments, in PanelProduct product, nint scratch, bool isFirst, bool isLast)
    {
        arguments->Sums = isFirst ? null : (float*)scratch;
        arguments->Y = isLast ? product.Y : (float*)scratch;
        arguments->YStrideBytes = isLast ? product.YStrideBytes : PanelFormat.LineBytes;
    }

    void ExecuteChunk(AmxKernel kernel, in PanelProduct product, AmxArguments* arguments)
    {
        // A cache line per row and chunk comes in less time than its products take, by the same count.
        if (product.ReadAhead is not null) ReadAhead(product.ReadAhead, product.NumRows);
        Execute(kernel, (nint)arguments);
    }

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
        nint address = _compiler.Compile($"matmul amx {kernel}", kernel.Emit);
        return _kernels.GetOrAdd(kernel, address);
    }
}

/// <summary>Code for tiles of a number of rows, and of one more.</summary>
/// <param name="Format">Of the panels.</param>
/// <param name="NumRows">Of small tiles.</param>
/// <param name="StepColumns">Columns of a tile of activations.</param>
/// <param name="NumPrefetches">Cache lines per step; of quantized weights, per step and half.</param>
readonly record struct AmxKernel(PanelFormat Format, int NumRows, int StepColumns, int NumPrefetches)
{
    public void Emit(Iced.Intel.Assembler a) => AmxLoopEmitter.Emit(a, Tile(), NumRows);

    public override string ToString() =>
        $"{Format.Name}, {NumRows} rows, {StepColumns} columns, {NumPrefetches} prefetches";

    AmxTile Tile() => Format.IsQuantized
        ? new AmxIntegerTile(Format, NumPrefetches)
        : new AmxBF16Tile(StepColumns, NumPrefetches);
}
