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
/// A block of 4-bit codes holds two groups, which take turns: the first in the low nibbles, the second in the high
/// ones. Those are multiplied in place, as 16 * code, and the group's weight scale by 1/16: powers of two, so the bits
/// are those of shifted codes, and no shift is needed.
/// z0..z11 dots of 6 rows, z12..z23 their sums, z28, z29 broadcasts, z30 = 0x0F bytes, z31 = 0xF0 bytes, [rsp] = 1/16.
/// </summary>
sealed class IntegerTile(PanelFormat format) : TileEmitter(format)
{
    static readonly AssemblerRegisterZMM[] Weights = [zmm24, zmm25];
    static readonly AssemblerRegisterZMM[] Mins = [zmm26, zmm27];
    static readonly AssemblerRegisterZMM[] NibbleMasks = [zmm30, zmm31];

    int GroupXBytes => Format.GroupSize + GroupTail.SizeBytes;

    public override int MaxRows => 6;

    public override int BlockXBytes => Format.GroupsPerBlock * GroupXBytes;

    protected override int FirstSum(int numRows) => 2 * MaxRows;

    public override void EmitConstants(Assembler a)
    {
        if (Format.CodeBits != 4) return;
        a.mov(eax, 0x0F0F0F0F);
        a.vpbroadcastd(NibbleMasks[0], eax);
        a.mov(eax, unchecked((int)0xF0F0F0F0));
        a.vpbroadcastd(NibbleMasks[1], eax);
        a.mov(__dword_ptr[rsp], BitConverter.SingleToInt32Bits(1 / 16f));
    }

    public override void EmitBlock(Assembler a, int numRows, int numPrefetches)
    {
        int numSteps = Format.GroupsPerBlock * Format.LinesPerGroup;
        for (int group = 0; group < Format.GroupsPerBlock; group++)
        {
            EmitStart(a, numRows, group);
            for (int line = 0; line < Format.LinesPerGroup; line++)
            {
                EmitPrefetches(a, numPrefetches, group * Format.LinesPerGroup + line, numSteps);
                EmitDots(a, numRows, group, line);
            }

            EmitScales(a, group);
            EmitSums(a, numRows, group);
        }
    }

    static AssemblerRegisterZMM Dot(int row, int half) => Registers.Zmm[2 * row + half];

    void EmitStart(Assembler a, int numRows, int group)
    {
        int shift = BitOperations.Log2((uint)Format.CodeOffset) + (group == 1 ? 4 : 0);
        for (int row = 0; row < numRows; row++)
        {
            if (Format.CodeOffset == 0)
            {
                a.vpxord(Dot(row, 0), Dot(row, 0), Dot(row, 0));
                a.vpxord(Dot(row, 1), Dot(row, 1), Dot(row, 1));
            }
            else
            {
                a.vpslld(Dot(row, 0), Broadcast(row, TailOffset(group) + GroupTail.MinusSumOffset), (byte)shift);
                a.vmovdqa64(Dot(row, 1), Dot(row, 0));
            }
        }
    }

    void EmitDots(Assembler a, int numRows, int group, int line)
    {
        for (int half = 0; half < 2; half++)
        {
            AssemblerMemoryOperand codes = __[rdx + line * PanelFormat.LineBytes + half * 64];
            if (Format.CodeBits == 4) a.vpandd(Weights[half], NibbleMasks[group], codes);
            else a.vmovdqu64(Weights[half], codes);
        }

        for (int row = 0; row < numRows; row++)
        {
            AssemblerRegisterZMM x = Registers.Zmm[28 + row % 2];
            a.vpbroadcastd(x, Load(row, group * GroupXBytes + line * 4));
            for (int half = 0; half < 2; half++) a.vpdpbusd(Dot(row, half), Weights[half], x);
        }
    }

    void EmitScales(Assembler a, int group)
    {
        for (int half = 0; half < 2; half++)
        {
            a.vcvtph2ps(Weights[half], __[rdx + Format.ScaleOffset(group) + half * 32]);
            if (group == 1) a.vmulps(Weights[half], Weights[half], __dword_bcst[rsp]);
            if (Format.HasMin) a.vcvtph2ps(Mins[half], __[rdx + Format.MinOffset(group) + half * 32]);
        }
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
