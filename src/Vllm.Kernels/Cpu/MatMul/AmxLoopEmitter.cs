using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>Arguments of the code that <see cref="AmxLoopEmitter"/> emits.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct AmxArguments
{
    /// <summary>[rows], at the chunk's first column.</summary>
    public byte* X;
    public nint XStrideBytes;

    /// <summary>The chunk, as the tile reads it.</summary>
    public byte* Weights;
    public nint NumSteps;

    /// <summary>Weights to come, a few lines of which are prefetched at each step.</summary>
    public byte* Prefetch;

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
/// Emits a product of rows by a chunk of a panel in AMX tiles, for tiles of two sizes, as M rows split into equal tiles
/// differ by one:
/// <code>
/// ldtilecfg
/// for each tile of rows: sums = 0, or those of the chunks before;  add the chunk's products;  y = sums
/// tilerelease
/// </code>
/// <code>
/// r14 arguments         rsi x stride            r15 64                rbx prefetch
/// r9  x of the tile     r8  sums of the tile    rax y of the tile
/// [rsp] configuration   [rsp + 64] tiles left   [rsp + LocalsOffset ...] the tile's own
/// </code>
/// </summary>
static class AmxLoopEmitter
{
    /// <summary>Rows of a tile register.</summary>
    public const int MaxRows = 16;

    /// <summary>Bytes of a row of a tile register.</summary>
    public const int TileRowBytes = 64;

    /// <summary>From rsp.</summary>
    public const int LocalsOffset = 128;

    const int TilesLeft = 64, LocalBytes = LocalsOffset + MaxRows * TileRowBytes;

    /// <param name="a">Receives the code.</param>
    /// <param name="tile">What is done per tile.</param>
    /// <param name="numRows">Of small tiles; large ones have one more.</param>
    public static void Emit(Assembler a, AmxTile tile, int numRows)
    {
        KernelFrame.EmitEntry(a, LocalBytes);
        EmitConfiguration(a, tile, numRows);
        a.mov(r9, Argument(nameof(AmxArguments.X)));
        a.mov(r8, Argument(nameof(AmxArguments.Sums)));
        a.mov(rax, Argument(nameof(AmxArguments.Y)));
        a.mov(rsi, Argument(nameof(AmxArguments.XStrideBytes)));
        a.mov(rbx, Argument(nameof(AmxArguments.Prefetch)));
        a.mov(r15, TileRowBytes);
        tile.EmitConstants(a);
        if (numRows < MaxRows)
            EmitTiles(a, tile, RowTiles.Large, numRows + 1, nameof(AmxArguments.NumLargeTiles));
        EmitTiles(a, tile, RowTiles.Small, numRows, nameof(AmxArguments.NumSmallTiles));
        a.tilerelease();
        KernelFrame.EmitExit(a);
    }

    public static AssemblerMemoryOperand Argument(string field) => __qword_ptr[r14 + AmxArguments.Offset(field)];

    /// <summary>Palette 1: eight tiles of up to 16 rows of 64 bytes.</summary>
    static void EmitConfiguration(Assembler a, AmxTile tile, int numRows)
    {
        a.vpxord(zmm16, zmm16, zmm16);
        a.vmovups(__[rsp], zmm16);
        a.mov(__byte_ptr[rsp], 1);
        EmitRowTiles(RowTiles.Small, numRows);
        if (numRows < MaxRows) EmitRowTiles(RowTiles.Large, numRows + 1);
        foreach (AssemblerRegisterTMM weights in AmxTile.Weights) EmitTile(weights, tile.NumWeightRows, TileRowBytes);
        a.ldtilecfg(__[rsp]);

        void EmitRowTiles(RowTiles tiles, int rows)
        {
            EmitTile(tiles.X, rows, tile.XRowBytes);
            foreach (AssemblerRegisterTMM products in tiles.Products) EmitTile(products, rows, TileRowBytes);
        }

        void EmitTile(AssemblerRegisterTMM register, int rows, int rowBytes)
        {
            const int RowBytesOffset = 16, RowsOffset = 48;
            int number = register.Value - Register.TMM0;
            a.mov(__word_ptr[rsp + RowBytesOffset + 2 * number], (short)rowBytes);
            a.mov(__byte_ptr[rsp + RowsOffset + number], (byte)rows);
        }
    }

    static void EmitTiles(Assembler a, AmxTile tile, RowTiles tiles, int numRows, string countField)
    {
        Label next = a.CreateLabel(), done = a.CreateLabel();
        a.mov(rdx, Argument(countField));
        a.test(rdx, rdx);
        a.jz(done);
        a.mov(__qword_ptr[rsp + TilesLeft], rdx);

        a.Label(ref next);
        tile.EmitTile(a, tiles, numRows);
        a.imul(rdx, rsi, numRows);
        a.add(r9, rdx);
        a.add(r8, numRows * PanelFormat.LineBytes);
        a.imul(rdx, Argument(nameof(AmxArguments.YStrideBytes)), numRows);
        a.add(rax, rdx);
        a.dec(__qword_ptr[rsp + TilesLeft]);
        a.jnz(next);

        a.Label(ref done);
        a.nop(); // a label needs an instruction
    }
}

/// <summary>The registers whose number of rows is that of a tile of rows.</summary>
/// <param name="X">Activations.</param>
/// <param name="Products">Of the two halves of a panel.</param>
readonly record struct RowTiles(AssemblerRegisterTMM X, AssemblerRegisterTMM[] Products)
{
    public static RowTiles Small { get; } = new(tmm0, [tmm1, tmm2]);

    public static RowTiles Large { get; } = new(tmm3, [tmm4, tmm5]);
}
