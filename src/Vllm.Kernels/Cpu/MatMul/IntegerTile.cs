using System.Numerics;
using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Quantized weights by quantized activations, integer dot products within a group, fp32 across groups. Per group:
/// <code>
/// for each row m: dot[m][0..1] = -sum of x codes * code offset       (0 where the codes have no offset)
/// for each line u of 4 columns: z24, z25 = 4 codes of 32 outputs
///   for each row m: b = 4 codes of x[m];  dot[m][0] += z24 . b;  dot[m][1] += z25 . b     (vpdpbusd: u8 by s8)
/// z24, z25 = weight scales;  z26, z27 = mins
/// for each row m: sum[m] += float(dot[m]) * weight scale * x scale;  sum[m] += min * x scaled sum
/// </code>
/// Codes are multiplied in their places, as code * 2^k (see <see cref="CodeLine"/>), and the group's weight scale by
/// 2^-k: powers of two, so the bits are those of shifted codes. Masks and shifts take other pipes than products.
/// z0..z11 dots of 6 rows, z12..z23 their sums, z28, z29 broadcasts, z30 base mask, z31 extra mask of a field.
/// <code>
/// [rsp + 64]     masks of base bits [fields], masks of extra bits [fields], 2^-k [fields]
/// [rsp + 128]    super-scales * 2^-k [fields][32], super-mins [32], of the block at hand
/// </code>
/// </summary>
sealed class IntegerTile(PanelFormat format) : TileEmitter(format)
{
    const int MaxFields = 4, MasksOffset = ConstantsOffset, ExtraMasksOffset = MasksOffset + 4 * MaxFields;
    const int FactorsOffset = ExtraMasksOffset + 4 * MaxFields, SuperScalesOffset = ConstantsOffset + 64;

    static readonly AssemblerRegisterZMM[] Weights = [zmm24, zmm25];
    static readonly AssemblerRegisterZMM[] Mins = [zmm26, zmm27];
    static readonly AssemblerRegisterZMM BaseMask = zmm30, ExtraMask = zmm31;

    /// <summary>The first line of each field of a byte of base bits.</summary>
    readonly CodeLine[] _fields = [.. format.CodeLines.DistinctBy(line => line.Field)];

    int GroupXBytes => Format.GroupSize + GroupTail.SizeBytes;

    public override int MaxRows => 6;

    public override int PartXBytes => Format.GroupsPerPart * GroupXBytes;

    public override int NumReadAhead => Format.CodeLines.Length / 2;

    int SuperMinsOffset => SuperScalesOffset + _fields.Length * PanelFormat.LineBytes;

    protected override int FirstSum(int numRows) => 2 * MaxRows;

    public override void EmitConstants(Assembler a)
    {
        foreach (CodeLine line in _fields)
        {
            a.mov(__dword_ptr[rsp + MasksOffset + 4 * line.Field], unchecked((int)line.BaseMask));
            a.mov(__dword_ptr[rsp + ExtraMasksOffset + 4 * line.Field], unchecked((int)line.ExtraMask));
            a.mov(__dword_ptr[rsp + FactorsOffset + 4 * line.Field], FactorOf(line));
        }
    }

    /// <summary>Super-scales of the block at rdx, as fp32 with each field's factor.</summary>
    public override void EmitEnterBlock(Assembler a)
    {
        for (int half = 0; half < 2; half++)
        {
            AssemblerRegisterZMM scales = Weights[half], mins = Mins[half];
            a.vcvtph2ps(scales, __[rdx + half * 32]);
            foreach (CodeLine line in _fields)
            {
                AssemblerRegisterZMM scaled = line.FactorBits == 0 ? scales : mins;
                if (line.FactorBits > 0) a.vmulps(scaled, scales, __dword_bcst[rsp + FactorsOffset + 4 * line.Field]);
                a.vmovaps(__[rsp + SuperScalesOffset + line.Field * PanelFormat.LineBytes + half * 64], scaled);
            }

            if (!Format.HasMin) continue;
            a.vcvtph2ps(mins, __[rdx + PanelFormat.SuperMinOffset + half * 32]);
            a.vmovaps(__[rsp + SuperMinsOffset + half * 64], mins);
        }
    }

    public override void EmitPart(Assembler a, int numRows, Prefetches prefetches)
    {
        int field = -1;
        for (int group = 0; group < Format.GroupsPerPart; group++)
        {
            int firstLine = group * Format.LinesPerGroup;
            CodeLine first = Format.CodeLines[firstLine];
            if (first.Field != field) EmitMasks(a, first);
            field = first.Field;
            EmitStart(a, numRows, group, first.FactorBits);
            for (int line = 0; line < Format.LinesPerGroup; line++)
            {
                EmitPrefetches(a, prefetches, firstLine + line, Format.CodeLines.Length);
                EmitCodes(a, Format.CodeLines[firstLine + line]);
                EmitDots(a, numRows, group * GroupXBytes + line * 4);
            }

            EmitScales(a, group, first);
            EmitSums(a, numRows, group);
        }
    }

    static int FactorOf(CodeLine line) => BitConverter.SingleToInt32Bits(1f / (1 << line.FactorBits));

    static AssemblerRegisterZMM Dot(int row, int half) => Registers.Zmm[2 * row + half];

    void EmitMasks(Assembler a, CodeLine line)
    {
        if (Format.CodeBits == 8) return;
        a.vpbroadcastd(BaseMask, __dword_ptr[rsp + MasksOffset + 4 * line.Field]);
        if (line.ExtraMask != 0) a.vpbroadcastd(ExtraMask, __dword_ptr[rsp + ExtraMasksOffset + 4 * line.Field]);
    }

    void EmitStart(Assembler a, int numRows, int group, int factorBits)
    {
        for (int row = 0; row < numRows; row++)
        {
            if (Format.CodeOffset == 0)
            {
                a.vpxord(Dot(row, 0), Dot(row, 0), Dot(row, 0));
                a.vpxord(Dot(row, 1), Dot(row, 1), Dot(row, 1));
            }
            else
            {
                int shift = BitOperations.Log2((uint)Format.CodeOffset) + factorBits;
                a.vpslld(Dot(row, 0), Broadcast(row, TailOffset(group) + GroupTail.MinusSumOffset), (byte)shift);
                a.vmovdqa64(Dot(row, 1), Dot(row, 0));
            }
        }
    }

    void EmitCodes(Assembler a, CodeLine line)
    {
        const byte OrOfMasked = 0xF8; // first | second & third
        for (int half = 0; half < 2; half++)
        {
            AssemblerRegisterZMM codes = Weights[half];
            AssemblerMemoryOperand baseBits = __zmmword_ptr[rdx + line.BaseOffset + half * 64];
            AssemblerMemoryOperand extraBits = __zmmword_ptr[rdx + line.ExtraOffset + half * 64];
            if (Format.CodeBits == 8) a.vmovdqu64(codes, baseBits);
            else if (line.ExtraMask == 0) a.vpandd(codes, BaseMask, baseBits);
            else
            {
                if (line.ExtraShift > 0) a.vpsrld(codes, extraBits, (byte)line.ExtraShift);
                if (line.ExtraShift < 0) a.vpslld(codes, extraBits, (byte)-line.ExtraShift);
                if (line.ExtraShift == 0) a.vpandd(codes, ExtraMask, extraBits);
                else a.vpandd(codes, codes, ExtraMask);
                a.vpternlogd(codes, BaseMask, baseBits, OrOfMasked);
            }
        }
    }

    void EmitDots(Assembler a, int numRows, int xOffset)
    {
        for (int row = 0; row < numRows; row++)
        {
            AssemblerRegisterZMM x = Registers.Zmm[28 + row % 2];
            a.vpbroadcastd(x, Load(row, xOffset));
            for (int half = 0; half < 2; half++) a.vpdpbusd(Dot(row, half), Weights[half], x);
        }
    }

    void EmitScales(Assembler a, int group, CodeLine line)
    {
        for (int half = 0; half < 2; half++)
        {
            AssemblerMemoryOperand scales = __[rdx + Format.ScaleOffset(group) + half * Format.ScalesBytes / 2];
            AssemblerMemoryOperand mins = __[rdx + Format.MinOffset(group) + half * Format.ScalesBytes / 2];
            if (Format.HasSuperScales)
            {
                int super = SuperScalesOffset + line.Field * PanelFormat.LineBytes;
                EmitProduct(a, Weights[half], scales, super + half * 64);
                if (Format.HasMin) EmitProduct(a, Mins[half], mins, SuperMinsOffset + half * 64);
            }
            else
            {
                a.vcvtph2ps(Weights[half], scales);
                if (line.FactorBits > 0)
                    a.vmulps(Weights[half], Weights[half], __dword_bcst[rsp + FactorsOffset + 4 * line.Field]);
                if (Format.HasMin) a.vcvtph2ps(Mins[half], mins);
            }
        }
    }

    static void EmitProduct(Assembler a, AssemblerRegisterZMM to, AssemblerMemoryOperand factors, int superOffset)
    {
        a.vpmovsxbd(to, factors);
        a.vcvtdq2ps(to, to);
        a.vmulps(to, to, __[rsp + superOffset]);
    }

    void EmitSums(Assembler a, int numRows, int group)
    {
        for (int row = 0; row < numRows; row++)
        {
            for (int half = 0; half < 2; half++)
            {
                AssemblerRegisterZMM dot = Dot(row, half), sum = Sum(numRows, row, half);
                int tail = TailOffset(group);
                a.vcvtdq2ps(dot, dot);
                a.vmulps(dot, dot, Weights[half]);
                a.vfmadd231ps(sum, dot, Broadcast(row, tail + GroupTail.ScaleOffset));
                if (Format.HasMin) a.vfmadd231ps(sum, Mins[half], Broadcast(row, tail + GroupTail.ScaledSumOffset));
            }
        }
    }

    int TailOffset(int group) => group * GroupXBytes + Format.GroupSize;
}
