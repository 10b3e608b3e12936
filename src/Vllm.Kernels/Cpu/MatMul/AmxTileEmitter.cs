using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Arguments of the code that <see cref="AmxTileEmitter"/> emits.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct AmxArguments
{
    /// <summary>[rows], at the chunk's first column.</summary>
    public byte* X;
    public nint XStrideBytes;

    /// <summary>An <see cref="AmxPanelChunk"/>.</summary>
    public byte* Weights;
    public nint NumGroups;

    /// <summary>[rows][32] sums of the chunks before; null at the first chunk.</summary>
    public float* Sums;

    /// <summary>[rows][32], the sums with this chunk; may be <see cref="Sums"/>.</summary>
    public float* Y;
    public nint YStrideBytes;

    /// <summary>Tiles of one row more than the kernel's number, then tiles of that number.</summary>
    public nint NumLargeTiles;
    public nint NumSmallTiles;

    public static int Offset(string field) => (int)Marshal.OffsetOf<AmxArguments>(field);
}

/// <summary>
/// Emits a product of quantized activations by a chunk of a panel in AMX tiles, for tiles of two sizes, as M rows split
/// into equal tiles differ by one:
/// <code>
/// ldtilecfg
/// for each tile of rows, for each half of the outputs
///   z0..z15 = 0, or the sums of the chunks before
///   for each group
///     C = 0;  A = codes of the rows;  B = codes of the weights;  C += A . B       (tdpbssd: exact)
///     dots = C                                                                    (by way of the stack)
///     for each row m: sum[m] += float(dots[m]) * weight scale * x scale;  sum[m] += min * x scaled sum
///   y = z0..z15
/// tilerelease
/// </code>
/// The floating-point operations are those of <see cref="IntegerTile"/> in its order, and the dots are exact: so are
/// all bits the same. A tile takes one group of 32 columns, half of its depth: scaling needs more time than that.
/// <code>
/// r14 arguments        r9  x of the tile     r8  sums of the tile     rax y of the tile    rbx tiles left
/// rdi row 0 of x       r10 row 8             rdx group of weights     rcx groups left      r15 64
/// rsi, r11, r12, r13   1, 3, 5, 7 times x stride
/// z0..z15 sums         z16 scales            z17 mins                 z18..z21 dots of a row
/// tmm0, tmm1  C, A of small tiles            tmm2, tmm3  of large tiles                    tmm4  B
/// [rsp]       configuration                  [rsp + 64]  dots [16][16]
/// </code>
/// </summary>
static class AmxTileEmitter
{
    public const int MaxRows = 16;

    const int DotsOffset = 64, LocalBytes = DotsOffset + MaxRows * TileRowBytes;
    const int TileRowBytes = 64;
    const int SmallTiles = 0, LargeTiles = 2;

    static readonly AssemblerRegisterTMM[] Tiles = [tmm0, tmm1, tmm2, tmm3];
    static readonly AssemblerRegisterTMM WeightTile = tmm4;
    static readonly AssemblerRegisterZMM Scales = zmm16, Mins = zmm17;

    /// <param name="a">Receives the code.</param>
    /// <param name="format">Only its group size and whether it has mins matter.</param>
    /// <param name="numRows">Of small tiles; large ones have one more.</param>
    public static void Emit(Assembler a, PanelFormat format, int numRows)
    {
        KernelFrame.EmitEntry(a, LocalBytes);
        EmitConfiguration(a, format, numRows);
        a.mov(r9, Argument(nameof(AmxArguments.X)));
        a.mov(r8, Argument(nameof(AmxArguments.Sums)));
        a.mov(rax, Argument(nameof(AmxArguments.Y)));
        a.mov(rsi, Argument(nameof(AmxArguments.XStrideBytes)));
        a.lea(r11, __[rsi + rsi * 2]);
        a.lea(r12, __[rsi + rsi * 4]);
        a.lea(r13, __[r11 + rsi * 4]);
        a.mov(r15, TileRowBytes);
        if (numRows < MaxRows)
            EmitTiles(a, format, numRows + 1, LargeTiles, nameof(AmxArguments.NumLargeTiles));
        EmitTiles(a, format, numRows, SmallTiles, nameof(AmxArguments.NumSmallTiles));
        a.tilerelease();
        KernelFrame.EmitExit(a);
    }

    static AssemblerMemoryOperand Argument(string field) => __qword_ptr[r14 + AmxArguments.Offset(field)];

    /// <summary>Palette 1: eight tiles of up to 16 rows of 64 bytes.</summary>
    static void EmitConfiguration(Assembler a, PanelFormat format, int numRows)
    {
        a.vpxord(zmm16, zmm16, zmm16);
        a.vmovups(__[rsp], zmm16);
        a.mov(__byte_ptr[rsp], 1);
        EmitTile(SmallTiles, numRows, TileRowBytes);
        EmitTile(SmallTiles + 1, numRows, format.GroupSize);
        if (numRows < MaxRows)
        {
            EmitTile(LargeTiles, numRows + 1, TileRowBytes);
            EmitTile(LargeTiles + 1, numRows + 1, format.GroupSize);
        }

        EmitTile(LargeTiles + 2, format.LinesPerGroup, TileRowBytes);
        a.ldtilecfg(__[rsp]);

        void EmitTile(int tile, int rows, int rowBytes)
        {
            const int RowBytesOffset = 16, RowsOffset = 48;
            a.mov(__word_ptr[rsp + RowBytesOffset + 2 * tile], (short)rowBytes);
            a.mov(__byte_ptr[rsp + RowsOffset + tile], (byte)rows);
        }
    }

    static void EmitTiles(Assembler a, PanelFormat format, int numRows, int tiles, string countField)
    {
        Label tile = a.CreateLabel(), done = a.CreateLabel();
        a.mov(rbx, Argument(countField));
        a.test(rbx, rbx);
        a.jz(done);

        a.Label(ref tile);
        for (int half = 0; half < 2; half++)
        {
            EmitLoadSums(a, numRows, half);
            EmitGroups(a, format, numRows, tiles, half);
            EmitStoreSums(a, numRows, half);
        }

        a.mov(rax, rdi);
        a.imul(rdx, rsi, numRows);
        a.add(r9, rdx);
        a.add(r8, numRows * PanelFormat.LineBytes);
        a.dec(rbx);
        a.jnz(tile);

        a.Label(ref done);
        a.nop(); // a label needs an instruction
    }

    static void EmitLoadSums(Assembler a, int numRows, int half)
    {
        Label zero = a.CreateLabel(), loaded = a.CreateLabel();
        a.cmp(Argument(nameof(AmxArguments.Sums)), 0);
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

    static void EmitGroups(Assembler a, PanelFormat format, int numRows, int tiles, int half)
    {
        Label group = a.CreateLabel();
        AssemblerRegisterTMM dots = Tiles[tiles], x = Tiles[tiles + 1];
        int groupXBytes = format.GroupSize + GroupTail.SizeBytes;
        a.lea(r10, __[rdi + rsi * 8]);
        a.mov(rdx, Argument(nameof(AmxArguments.Weights)));
        a.mov(rcx, Argument(nameof(AmxArguments.NumGroups)));

        a.Label(ref group);
        a.tilezero(dots);
        a.tileloadd(x, __[rdi + rsi]);
        a.tileloadd(WeightTile, __[rdx + r15 * 2 + half * 64]);
        a.tdpbssd(dots, x, WeightTile);
        a.tilestored(__[rsp + r15 + DotsOffset], dots);
        a.vmovups(Scales, __[rdx + AmxPanelChunk.ScaleOffset(format) + half * 64]);
        if (format.HasMin) a.vmovups(Mins, __[rdx + AmxPanelChunk.MinOffset(format) + half * 64]);
        for (int row = 0; row < numRows; row++) EmitSum(a, format, row);
        a.add(rdi, groupXBytes);
        a.add(r10, groupXBytes);
        a.add(rdx, AmxPanelChunk.GroupBytes(format));
        a.dec(rcx);
        a.jnz(group);
    }

    static void EmitSum(Assembler a, PanelFormat format, int row)
    {
        AssemblerRegisterZMM dot = Registers.Zmm[18 + row % 4], sum = Registers.Zmm[row];
        a.vcvtdq2ps(dot, __zmmword_ptr[rsp + DotsOffset + row * TileRowBytes]);
        a.vmulps(dot, dot, Scales);
        a.vfmadd231ps(sum, dot, Broadcast(GroupTail.ScaleOffset));
        if (format.HasMin) a.vfmadd231ps(sum, Mins, Broadcast(GroupTail.ScaledSumOffset));

        AssemblerMemoryOperand Broadcast(int tailOffset) =>
            __dword_bcst[RowAddress(row) + (format.GroupSize + tailOffset)];
    }

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

    /// <summary>Leaves the address after the tile's last row in rdi.</summary>
    static void EmitStoreSums(Assembler a, int numRows, int half)
    {
        a.mov(rdi, rax);
        a.mov(rdx, Argument(nameof(AmxArguments.YStrideBytes)));
        for (int row = 0; row < numRows; row++)
        {
            a.vmovups(__[rdi + half * 64], Registers.Zmm[row]);
            a.add(rdi, rdx);
        }
    }
}
