using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Emits the product of a tile of up to 16 rows by a chunk of a panel; registers by
/// <see cref="AmxLoopEmitter"/>.</summary>
/// <param name="numPrefetches">Cache lines per step; of quantized weights, per step and half.</param>
abstract class AmxTile(int numPrefetches)
{
    /// <summary>The halves of a step of a panel.</summary>
    public static AssemblerRegisterTMM[] Weights { get; } = [tmm6, tmm7];

    /// <summary>Bytes of a row of activations that a step covers.</summary>
    public abstract int XRowBytes { get; }

    /// <summary>Four bytes of each output a row.</summary>
    public int NumWeightRows => XRowBytes / 4;

    /// <summary>What stays in registers for all tiles.</summary>
    public virtual void EmitConstants(Assembler a) { }

    /// <summary>May use all but rsi, rax, rbx, r8, r9, r14, r15 and what <see cref="EmitConstants"/> keeps.</summary>
    public abstract void EmitTile(Assembler a, RowTiles tiles, int numRows);

    /// <summary>To L2: two halves and all tiles of rows fetch a chunk together.</summary>
    protected void EmitPrefetches(Assembler a)
    {
        for (int i = 0; i < numPrefetches; i++) a.prefetcht1(__[rbx + i * 64]);
        a.add(rbx, numPrefetches * 64);
    }

    /// <summary>Rows of a register in memory, 128 bytes apart.</summary>
    protected static AssemblerMemoryOperand Lines(AssemblerRegister64 address, int half) =>
        __[address + r15 * 2 + half * AmxLoopEmitter.TileRowBytes];
}

/// <summary>
/// Quantized activations by an <see cref="AmxPanelChunk"/>; a step is a group:
/// <code>
/// for each half of the outputs
///   z0..z15 = 0, or the sums of the chunks before
///   for each group
///     dots = codes of the rows . codes of the weights     (tdpbssd: exact; to vectors by way of the stack)
///     for each row m: sum[m] += float(dots[m]) * weight scale * x scale;  sum[m] += min * x scaled sum
///   y = z0..z15
/// </code>
/// The floating-point operations are those of <see cref="IntegerTile"/> in its order, and the dots are exact: so are
/// all bits the same. A group of 32 is half of a tile's depth: scaling takes more time than that.
/// <code>
/// rdi row 0 of x     r10 row 8     r11, r12, r13  3, 5, 7 times the stride     rdx group     rcx groups left
/// z0..z15 sums       z16 scales    z17 mins       z18..z21 dots of a row
/// [rsp + LocalsOffset]  dots [16][16]
/// </code>
/// </summary>
/// <param name="format">Only its group size and whether it has mins matter.</param>
/// <param name="numPrefetches">Cache lines per group and half.</param>
sealed class AmxIntegerTile(PanelFormat format, int numPrefetches) : AmxTile(numPrefetches)
{
    const int DotsOffset = AmxLoopEmitter.LocalsOffset;

    static readonly AssemblerRegisterZMM Scales = zmm16, Mins = zmm17;

    public override int XRowBytes => format.GroupSize;

    public override void EmitConstants(Assembler a)
    {
        a.lea(r11, __[rsi + rsi * 2]);
        a.lea(r12, __[rsi + rsi * 4]);
        a.lea(r13, __[r11 + rsi * 4]);
    }

    public override void EmitTile(Assembler a, RowTiles tiles, int numRows)
    {
        for (int half = 0; half < 2; half++)
        {
            EmitLoadSums(a, numRows, half);
            EmitGroups(a, tiles, numRows, half);
            EmitStoreSums(a, numRows, half);
        }
    }

    static void EmitLoadSums(Assembler a, int numRows, int half)
    {
        Label zero = a.CreateLabel(), loaded = a.CreateLabel();
        a.cmp(AmxLoopEmitter.Argument(nameof(AmxArguments.Sums)), 0);
        a.je(zero);
        for (int row = 0; row < numRows; row++)
            a.vmovups(Registers.Zmm[row], __[r8 + row * PanelFormat.LineBytes + half * 64]);
        a.jmp(loaded);

        a.Label(ref zero);
        for (int row = 0; row < numRows; row++)
            a.vpxord(Registers.Zmm[row], Registers.Zmm[row], Registers.Zmm[row]);

        a.Label(ref loaded);
        a.mov(rdi, r9);
    }

    void EmitGroups(Assembler a, RowTiles tiles, int numRows, int half)
    {
        Label group = a.CreateLabel();
        AssemblerRegisterTMM dots = tiles.Products[half];
        int groupXBytes = format.GroupSize + GroupTail.SizeBytes;
        a.lea(r10, __[rdi + rsi * 8]);
        a.mov(rdx, AmxLoopEmitter.Argument(nameof(AmxArguments.Weights)));
        a.mov(rcx, AmxLoopEmitter.Argument(nameof(AmxArguments.NumSteps)));

        a.Label(ref group);
        a.tilezero(dots);
        a.tileloadd(tiles.X, __[rdi + rsi]);
        a.tileloadd(Weights[half], Lines(rdx, half));
        a.tdpbssd(dots, tiles.X, Weights[half]);
        a.tilestored(__[rsp + r15 + DotsOffset], dots);
        EmitPrefetches(a);
        a.vmovups(Scales, __[rdx + AmxPanelChunk.ScaleOffset(format) + half * 64]);
        if (format.HasMin) a.vmovups(Mins, __[rdx + AmxPanelChunk.MinOffset(format) + half * 64]);
        for (int row = 0; row < numRows; row++) EmitSum(a, row);
        a.add(rdi, groupXBytes);
        a.add(r10, groupXBytes);
        a.add(rdx, AmxPanelChunk.GroupBytes(format));
        a.dec(rcx);
        a.jnz(group);
    }

    void EmitSum(Assembler a, int row)
    {
        AssemblerRegisterZMM dot = Registers.Zmm[18 + row % 4], sum = Registers.Zmm[row];
        a.vcvtdq2ps(dot, __zmmword_ptr[rsp + DotsOffset + row * AmxLoopEmitter.TileRowBytes]);
        a.vmulps(dot, dot, Scales);
        a.vfmadd231ps(sum, dot, Broadcast(row, GroupTail.ScaleOffset));
        if (format.HasMin) a.vfmadd231ps(sum, Mins, Broadcast(row, GroupTail.ScaledSumOffset));
    }

    AssemblerMemoryOperand Broadcast(int row, int tailOffset) =>
        __dword_bcst[RowAddress(row) + (format.GroupSize + tailOffset)];

    static AssemblerMemoryOperand RowAddress(int row)
    {
        AssemblerRegister64 eighth = row < 8 ? rdi : r10;
        return (row % 8) switch
        {
            0 => eighth + 0,
            1 => eighth + rsi,
            2 => eighth + rsi * 2,
            3 => eighth + r11,
            4 => eighth + rsi * 4,
            5 => eighth + r12,
            6 => eighth + r11 * 2,
            _ => eighth + r13,
        };
    }

    static void EmitStoreSums(Assembler a, int numRows, int half)
    {
        a.mov(rdi, rax);
        a.mov(rdx, AmxLoopEmitter.Argument(nameof(AmxArguments.YStrideBytes)));
        for (int row = 0; row < numRows; row++)
        {
            a.vmovups(__[rdi + half * 64], Registers.Zmm[row]);
            a.add(rdi, rdx);
        }
    }
}

/// <summary>
/// bf16 activations by a panel's blocks; a step is 32 columns, or what is left of a panel at its end. Sums are tiles:
/// <code>
/// for each step: for each half: sums[half] += rows . weights      (tdpbf16ps), prefetch
/// </code>
/// <c>tdpbf16ps</c> adds the products of even and of odd columns of a step, one after the other, then both to the sum:
/// an order by columns alone, but not the one of <c>vdpbf16ps</c>, so that rows of any number go through tiles.
/// <code>
/// rdi x     rdx step     rcx steps left
/// </code>
/// </summary>
/// <param name="stepColumns">Up to 32.</param>
/// <param name="numPrefetches">Cache lines per step.</param>
sealed class AmxBF16Tile(int stepColumns, int numPrefetches) : AmxTile(numPrefetches)
{
    public const int MaxStepColumns = AmxLoopEmitter.TileRowBytes / 2;

    public override int XRowBytes => 2 * stepColumns;

    public override void EmitTile(Assembler a, RowTiles tiles, int numRows)
    {
        Label step = a.CreateLabel();
        EmitLoadSums(a, tiles);
        a.mov(rdi, r9);
        a.mov(rdx, AmxLoopEmitter.Argument(nameof(AmxArguments.Weights)));
        a.mov(rcx, AmxLoopEmitter.Argument(nameof(AmxArguments.NumSteps)));

        a.Label(ref step);
        a.tileloadd(tiles.X, __[rdi + rsi]);
        for (int half = 0; half < 2; half++)
        {
            a.tileloadd(Weights[half], Lines(rdx, half));
            a.tdpbf16ps(tiles.Products[half], tiles.X, Weights[half]);
        }

        EmitPrefetches(a);
        a.add(rdi, XRowBytes);
        a.add(rdx, NumWeightRows * PanelFormat.LineBytes);
        a.dec(rcx);
        a.jnz(step);

        a.mov(rdx, AmxLoopEmitter.Argument(nameof(AmxArguments.YStrideBytes)));
        for (int half = 0; half < 2; half++) a.tilestored(__[rax + rdx + half * 64], tiles.Products[half]);
    }

    static void EmitLoadSums(Assembler a, RowTiles tiles)
    {
        Label zero = a.CreateLabel(), loaded = a.CreateLabel();
        a.cmp(AmxLoopEmitter.Argument(nameof(AmxArguments.Sums)), 0);
        a.je(zero);
        for (int half = 0; half < 2; half++) a.tileloadd(tiles.Products[half], Lines(r8, half));
        a.jmp(loaded);

        a.Label(ref zero);
        for (int half = 0; half < 2; half++) a.tilezero(tiles.Products[half]);

        a.Label(ref loaded);
        a.nop(); // a label needs an instruction
    }
}
