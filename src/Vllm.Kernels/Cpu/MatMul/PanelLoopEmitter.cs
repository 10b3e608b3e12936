using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Arguments of the emitted panel loop.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct PanelLoopArguments
{
    public byte* X;
    public nint XStrideBytes;
    public byte* W;
    public nint NumBlocks;
    public nint NumPanels;
    public float* Y;
    public nint YStrideBytes;

    /// <summary>Row blocks of one row more than the kernel's number, then row blocks of that number.</summary>
    public nint NumLargeRowBlocks;
    public nint NumSmallRowBlocks;

    /// <summary>Blocks along K that all row blocks pass before the next are read.</summary>
    public nint ChunkBlocks;

    /// <summary>How far ahead of a chunk its row blocks prefetch.</summary>
    public nint PrefetchBytes;

    /// <summary>[rows][32] sums between chunks.</summary>
    public byte* Scratch;

    /// <summary>What else is prefetched; null where the code was emitted without.</summary>
    public ReadAheadCursor* ReadAhead;

    public static int Offset(string field) => (int)Marshal.OffsetOf<PanelLoopArguments>(field);
}

/// <summary>
/// Emits the loops around a <see cref="TileEmitter"/>, for row blocks of two sizes, as M rows split into equal blocks
/// differ by one:
/// <code>
/// for each panel
///   for each chunk of blocks along K                  (the chunk stays in the L1 cache while all rows pass over it)
///     for each row block
///       sums = first chunk ? 0 : scratch
///       for each block of the chunk, for each part of the block: tile, prefetch
///       (last chunk ? y : scratch) = sums
/// </code>
/// One row block or one chunk are the plain loops over panels or rows; a chunk cuts no sum apart, as fp32 sums wait in
/// scratch unchanged. So every shape gives the same bits.
/// <code>
/// r14 arguments        rsi x stride       rdx block          rcx blocks left in the chunk
/// r13 chunk's blocks   r12 row blocks left                   rbx prefetch    r15 read ahead
/// r8  scratch row      r9  x row block at the chunk
/// </code>
/// </summary>
static class PanelLoopEmitter
{
    const int XChunk = 8, BlocksLeft = 16, WChunk = 24, PanelsLeft = 32, YPanel = 40, YRow = 48; // below the constants
    const int LocalBytes = TileEmitter.ConstantsOffset + TileEmitter.ConstantsBytes;

    /// <param name="a">Receives the code.</param>
    /// <param name="tile">What is done per block.</param>
    /// <param name="numRows">Rows of a small row block; large ones have one more.</param>
    /// <param name="prefetches">Cache lines that a row block prefetches per part.</param>
    public static void Emit(Assembler a, TileEmitter tile, int numRows, Prefetches prefetches)
    {
        Label panel = a.CreateLabel(), chunk = a.CreateLabel();
        KernelFrame.EmitEntry(a, LocalBytes);
        tile.EmitConstants(a);
        a.mov(rsi, Argument(nameof(PanelLoopArguments.XStrideBytes)));
        a.mov(rdx, Argument(nameof(PanelLoopArguments.W)));
        EmitCopy(a, PanelsLeft, nameof(PanelLoopArguments.NumPanels));
        EmitCopy(a, YPanel, nameof(PanelLoopArguments.Y));
        if (prefetches.NumReadAhead > 0)
        {
            a.mov(rax, Argument(nameof(PanelLoopArguments.ReadAhead)));
            a.mov(r15, __qword_ptr[rax + ReadAheadCursor.AddressOffset]);
        }

        a.Label(ref panel);
        EmitCopy(a, XChunk, nameof(PanelLoopArguments.X));
        EmitCopy(a, BlocksLeft, nameof(PanelLoopArguments.NumBlocks));

        a.Label(ref chunk);
        EmitStartChunk(a);
        if (numRows < tile.MaxRows)
            EmitRowBlocks(a, tile, numRows + 1, prefetches, nameof(PanelLoopArguments.NumLargeRowBlocks));
        EmitRowBlocks(a, tile, numRows, prefetches, nameof(PanelLoopArguments.NumSmallRowBlocks));
        a.imul(rax, r13, tile.BlockXBytes);
        a.add(Local(XChunk), rax);
        a.cmp(Local(BlocksLeft), 0);
        a.jne(chunk);

        a.add(Local(YPanel), PanelFormat.LineBytes);
        a.dec(Local(PanelsLeft));
        a.jnz(panel);
        if (prefetches.NumReadAhead > 0)
        {
            a.mov(rax, Argument(nameof(PanelLoopArguments.ReadAhead)));
            a.mov(__qword_ptr[rax + ReadAheadCursor.AddressOffset], r15);
        }

        KernelFrame.EmitExit(a);
    }

    static AssemblerMemoryOperand Argument(string field) => __qword_ptr[r14 + PanelLoopArguments.Offset(field)];

    static AssemblerMemoryOperand Local(int offset) => __qword_ptr[rsp + offset];

    static void EmitCopy(Assembler a, int local, string field)
    {
        a.mov(rax, Argument(field));
        a.mov(Local(local), rax);
    }

    static void EmitStartChunk(Assembler a)
    {
        a.mov(r13, Argument(nameof(PanelLoopArguments.ChunkBlocks)));
        a.cmp(r13, Local(BlocksLeft));
        a.cmovg(r13, Local(BlocksLeft));
        a.sub(Local(BlocksLeft), r13);
        a.mov(Local(WChunk), rdx);
        a.mov(rbx, rdx);
        a.add(rbx, Argument(nameof(PanelLoopArguments.PrefetchBytes)));
        a.mov(r8, Argument(nameof(PanelLoopArguments.Scratch)));
        a.mov(r9, Local(XChunk));
        a.mov(rax, Local(YPanel));
        a.mov(Local(YRow), rax);
    }

    static void EmitRowBlocks(
        Assembler a, TileEmitter tile, int numRows, Prefetches prefetches, string countField)
    {
        Label rowBlock = a.CreateLabel(), done = a.CreateLabel();
        a.mov(r12, Argument(countField));
        a.test(r12, r12);
        a.jz(done);

        a.Label(ref rowBlock);
        if (prefetches.NumReadAhead > 0) EmitNextRange(a);
        EmitLoadSums(a, tile, numRows);
        EmitRowAddresses(a, numRows);
        a.mov(rdx, Local(WChunk));
        a.mov(rcx, r13);

        EmitBlocks(a, tile, numRows, prefetches);

        EmitStoreSums(a, tile, numRows);
        a.imul(rax, rsi, numRows);
        a.add(r9, rax);
        a.add(r8, numRows * PanelFormat.LineBytes);
        a.dec(r12);
        a.jnz(rowBlock);

        a.Label(ref done);
        a.nop(); // a label needs an instruction
    }

    /// <summary>The loop over a chunk's blocks and their parts; r11 is the block's end.</summary>
    static void EmitBlocks(Assembler a, TileEmitter tile, int numRows, Prefetches prefetches)
    {
        PanelFormat format = tile.Format;
        bool hasParts = format.PartsPerBlock > 1;
        Label block = a.CreateLabel(), part = a.CreateLabel();
        a.Label(ref block);
        if (hasParts)
        {
            tile.EmitEnterBlock(a);
            a.lea(r11, __[rdx + format.BlockBytes]);
            a.add(rdx, format.SuperBytes);
            a.Label(ref part);
        }

        tile.EmitPart(a, numRows, prefetches);
        EmitAdvance(a, numRows, tile.PartXBytes);
        if (prefetches.NumWeights > 0) a.add(rbx, prefetches.NumWeights * 64);
        if (prefetches.NumReadAhead > 0) a.add(r15, prefetches.NumReadAhead * 64);
        a.add(rdx, format.PartBytes);
        if (hasParts)
        {
            a.cmp(rdx, r11);
            a.jne(part);
        }

        a.dec(rcx);
        a.jnz(block);
    }

    /// <summary>At a range's end, goes on with the next.</summary>
    static void EmitNextRange(Assembler a)
    {
        Label inRange = a.CreateLabel();
        a.mov(rax, Argument(nameof(PanelLoopArguments.ReadAhead)));
        a.cmp(r15, __qword_ptr[rax + ReadAheadCursor.EndOffset]);
        a.jb(inRange);
        a.mov(rdi, __qword_ptr[rax + ReadAheadCursor.NextOffset]);
        a.mov(r15, __qword_ptr[rdi + ReadAheadRange.StartOffset]);
        a.mov(rcx, __qword_ptr[rdi + ReadAheadRange.EndOffset]);
        a.mov(__qword_ptr[rax + ReadAheadCursor.EndOffset], rcx);
        a.mov(rcx, __qword_ptr[rdi + ReadAheadRange.NextOffset]);
        a.mov(__qword_ptr[rax + ReadAheadCursor.NextOffset], rcx);
        a.Label(ref inRange);
        a.nop();
    }

    static void EmitLoadSums(Assembler a, TileEmitter tile, int numRows)
    {
        Label zero = a.CreateLabel(), loaded = a.CreateLabel();
        a.mov(rax, Local(XChunk));
        a.cmp(rax, Argument(nameof(PanelLoopArguments.X)));
        a.je(zero);
        for (int row = 0; row < numRows; row++)
            for (int half = 0; half < 2; half++)
                a.vmovaps(tile.Sum(numRows, row, half), __[r8 + row * PanelFormat.LineBytes + half * 64]);
        a.jmp(loaded);

        a.Label(ref zero);
        for (int row = 0; row < numRows; row++)
            for (int half = 0; half < 2; half++)
                a.vpxord(tile.Sum(numRows, row, half), tile.Sum(numRows, row, half), tile.Sum(numRows, row, half));

        a.Label(ref loaded);
        a.mov(rdi, r9);
    }

    static void EmitRowAddresses(Assembler a, int numRows)
    {
        if (numRows > 3)
        {
            a.lea(r10, __[rsi + rsi * 2]);
            if (numRows > 6) a.lea(r11, __[rdi + r10 * 2]);
            if (numRows > 9) a.lea(rax, __[r11 + r10]);
            a.add(r10, rdi);
        }
    }

    static void EmitAdvance(Assembler a, int numRows, int numBytes)
    {
        a.add(rdi, numBytes);
        if (numRows > 3) a.add(r10, numBytes);
        if (numRows > 6) a.add(r11, numBytes);
        if (numRows > 9) a.add(rax, numBytes);
    }

    static void EmitStoreSums(Assembler a, TileEmitter tile, int numRows)
    {
        Label last = a.CreateLabel(), stored = a.CreateLabel();
        a.cmp(Local(BlocksLeft), 0);
        a.je(last);
        for (int row = 0; row < numRows; row++)
            for (int half = 0; half < 2; half++)
                a.vmovaps(__[r8 + row * PanelFormat.LineBytes + half * 64], tile.Sum(numRows, row, half));
        a.jmp(stored);

        a.Label(ref last);
        a.mov(rdi, Local(YRow));
        a.mov(rax, Argument(nameof(PanelLoopArguments.YStrideBytes)));
        for (int row = 0; row < numRows; row++)
        {
            for (int half = 0; half < 2; half++) a.vmovups(__[rdi + half * 64], tile.Sum(numRows, row, half));
            a.add(rdi, rax);
        }

        a.mov(Local(YRow), rdi);

        a.Label(ref stored);
        a.nop();
    }
}
