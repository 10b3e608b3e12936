using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Emits the inner part of a product: one part of a block of a panel by a few rows, sums in registers. What is around
/// it, loops over parts, blocks, rows and panels, is <see cref="PanelLoopEmitter"/>'s.
/// <code>
/// rdi   row 0 of x at the part       rsi   bytes from row to row
/// r10   row 3    r11   row 6    rax   row 9
/// rdx   the part                     rbx   weights to prefetch      r15   what else to prefetch
/// sum of row m, columns 16n..16n+15: zmm[FirstSum + 2m + n]
/// [rsp + ConstantsOffset ...] the tile's own
/// </code>
/// </summary>
abstract class TileEmitter(PanelFormat format)
{
    /// <summary>Where the tile's constants begin, from rsp.</summary>
    public const int ConstantsOffset = 64;

    /// <summary>All fields' super-scales and mins, and smaller ones.</summary>
    public const int ConstantsBytes = 64 + 5 * PanelFormat.LineBytes;

    public PanelFormat Format { get; } = format;

    /// <summary>The most rows whose sums fit the registers.</summary>
    public abstract int MaxRows { get; }

    /// <summary>Bytes of x that a part covers.</summary>
    public abstract int PartXBytes { get; }

    /// <summary>Bytes of x that a block covers.</summary>
    public int BlockXBytes => Format.PartsPerBlock * PartXBytes;

    /// <summary>Loads constants; may use rax.</summary>
    public virtual void EmitConstants(Assembler a) { }

    /// <summary>What is done at the begin of a block of several parts; rdx is the block.</summary>
    public virtual void EmitEnterBlock(Assembler a) { }

    /// <summary>First register of the sums.</summary>
    protected abstract int FirstSum(int numRows);

    /// <summary>Cache lines of other memory that a part may prefetch: as many as it has time for on Zen 4, where a core
    /// gets a line in some 14 cycles.</summary>
    public abstract int NumReadAhead { get; }

    public abstract void EmitPart(Assembler a, int numRows, Prefetches prefetches);

    public AssemblerRegisterZMM Sum(int numRows, int row, int half) =>
        Registers.Zmm[FirstSum(numRows) + 2 * row + half];

    /// <summary>The tile for a format, or null where the machine lacks the instructions.</summary>
    public static TileEmitter? For(PanelFormat format)
    {
        if (format.IsQuantized) return CpuFeatures.HasAvx512Vnni ? new IntegerTile(format) : null;
        if (format == PanelFormat.BF16) return CpuFeatures.HasAvx512Bf16 ? new BF16Tile() : null;
        return CpuFeatures.HasAvx512 ? new FloatTile(format) : null;
    }

    protected static AssemblerMemoryOperand Load(int row, int offset) => __dword_ptr[RowAddress(row) + offset];

    protected static AssemblerMemoryOperand Broadcast(int row, int offset) => __dword_bcst[RowAddress(row) + offset];

    static AssemblerMemoryOperand RowAddress(int row)
    {
        AssemblerRegister64 third = (row / 3) switch { 0 => rdi, 1 => r10, 2 => r11, _ => rax };
        return (row % 3) switch { 0 => third + 0, 1 => third + rsi, _ => third + rsi * 2 };
    }

    /// <summary>Spreads the part's prefetches over its steps. They go to L2: on Zen 4, Q8_0 by 8 rows lost a third with
    /// prefetches to L1, as those hold the few buffers for lines under way.</summary>
    protected static void EmitPrefetches(Assembler a, Prefetches prefetches, int step, int numSteps)
    {
        Emit(rbx, prefetches.NumWeights);
        Emit(r15, prefetches.NumReadAhead);

        void Emit(AssemblerRegister64 address, int num)
        {
            for (int i = num * step / numSteps; i < num * (step + 1) / numSteps; i++) a.prefetcht1(__[address + i * 64]);
        }
    }
}

/// <summary>Cache lines that a part prefetches: of weights, and of other memory.</summary>
readonly record struct Prefetches(int NumWeights, int NumReadAhead);

/// <summary>
/// fp32 or fp16 weights, fp32 arithmetic. A block is one k:
/// <code>
/// z24, z25 = 32 weights of k          fp16: widened
/// for each row m: b = x[m][k];  sum[m][0] += z24 * b;  sum[m][1] += z25 * b
/// </code>
/// z0..z23 sums of 12 rows, z26..z29 broadcasts.
/// </summary>
sealed class FloatTile(PanelFormat format) : TileEmitter(format)
{
    public override int MaxRows => 12;

    public override int PartXBytes => sizeof(float);

    public override int NumReadAhead => 1;

    protected override int FirstSum(int numRows) => 0;

    public override void EmitPart(Assembler a, int numRows, Prefetches prefetches)
    {
        EmitPrefetches(a, prefetches, 0, 1);
        for (int half = 0; half < 2; half++)
        {
            if (Format == PanelFormat.F32) a.vmovups(Registers.Zmm[24 + half], __[rdx + half * 64]);
            else a.vcvtph2ps(Registers.Zmm[24 + half], __[rdx + half * 32]);
        }

        for (int row = 0; row < numRows; row++)
        {
            AssemblerRegisterZMM x = Registers.Zmm[26 + row % 4];
            a.vbroadcastss(x, Load(row, 0));
            for (int half = 0; half < 2; half++) a.vfmadd231ps(Sum(numRows, row, half), Registers.Zmm[24 + half], x);
        }
    }
}

/// <summary>
/// bf16 weights and activations. A block is four pairs of k; a pair is one <c>vdpbf16ps</c>:
/// <code>
/// for each pair u: z24, z25 = pairs of 32 outputs
///   for each row m: b = pair u of x[m];  sum[m][0] += z24 . b;  sum[m][1] += z25 . b
/// </code>
/// z0..z23 sums of 12 rows, z26..z29 broadcasts.
/// </summary>
sealed class BF16Tile() : TileEmitter(PanelFormat.BF16)
{
    const int PairsPerBlock = 4;

    public override int MaxRows => 12;

    public override int PartXBytes => PairsPerBlock * 4;

    public override int NumReadAhead => PairsPerBlock;

    protected override int FirstSum(int numRows) => 0;

    public override void EmitPart(Assembler a, int numRows, Prefetches prefetches)
    {
        for (int pair = 0; pair < PairsPerBlock; pair++)
        {
            EmitPrefetches(a, prefetches, pair, PairsPerBlock);
            for (int half = 0; half < 2; half++)
                a.vmovups(Registers.Zmm[24 + half], __[rdx + pair * PanelFormat.LineBytes + half * 64]);
            for (int row = 0; row < numRows; row++)
            {
                AssemblerRegisterZMM x = Registers.Zmm[26 + row % 4];
                a.vpbroadcastd(x, Load(row, pair * 4));
                for (int half = 0; half < 2; half++) a.vdpbf16ps(Sum(numRows, row, half), Registers.Zmm[24 + half], x);
            }
        }
    }
}
