using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// Where a part of a block holds the codes of four columns, a byte each, for 32 outputs. A code of 8 bits is a byte. A
/// narrower one is cut in two: base bits (4 or 2), of which a byte holds 2 or 4, and extra bits (0, 1 or 2) in lines of
/// their own. What is masked out of its byte stays where it is, as code * 2^k, and the group's scale gets 2^-k: a power
/// of two, so the bits of all results are those of shifted codes. Base bits are never shifted; in the lower half of a
/// byte they are the code's low bits with the extra ones above them, in the upper half its high bits with the extra
/// ones below:
/// <code>
/// 4 + 2 bits    field 0   ..EEBBBB        field 1   BBBBEE..           B base, E extra
/// 2 + 1 bits    field 0   .....EBB        field 1   ...EBB..        field 2   ..BBE...        field 3   BBE.....
/// </code>
/// A line of extra bits stands before the lines of base bits that it serves, so that a part is read in one direction,
/// as prefetchers like it. It serves the first of them in place, the others by a shift.
/// </summary>
/// <param name="BaseOffset">Of the base bits, in bytes from the part's begin.</param>
/// <param name="BaseMask">Which bits of each byte there.</param>
/// <param name="ExtraOffset">Of the extra bits.</param>
/// <param name="ExtraShift">How far right they are shifted to their place; left if negative.</param>
/// <param name="ExtraMask">Which bits of each byte after that; 0 without extra bits.</param>
/// <param name="Field">Which of the fields of a byte of base bits: groups lie in one field.</param>
/// <param name="FactorBits">k of the factor 2^k.</param>
readonly record struct CodeLine(
    int BaseOffset, uint BaseMask, int ExtraOffset, int ExtraShift, uint ExtraMask, int Field, int FactorBits)
{
    const uint EachByte = 0x01010101;

    /// <summary>The lines of a part, in the order of their columns.</summary>
    public static CodeLine[] OfPart(int numLines, int baseBits, int extraBits)
    {
        int numFields = 8 / baseBits, linesPerField = numLines / numFields;
        return [.. Enumerable.Range(0, numLines).Select(line =>
            Create(line / linesPerField, line % linesPerField, baseBits, extraBits))];
    }

    static CodeLine Create(int field, int line, int baseBits, int extraBits)
    {
        const int Bytes = PanelFormat.LineBytes;
        int numFields = 8 / baseBits, baseBit = baseBits * field;
        uint baseMask = EachByte * (uint)(((1 << baseBits) - 1) << baseBit);
        if (extraBits == 0) return new(line * Bytes, baseMask, 0, 0, 0, field, baseBit);

        bool isAbove = field < numFields / 2;
        int extraBit = isAbove ? baseBit + baseBits : baseBit - extraBits;
        int linesPerExtra = 8 / extraBits / numFields;
        (int extra, int user) = Math.DivRem(line, linesPerExtra);
        int shift = user * extraBits * numFields / 2;
        return new(
            (extra + 1 + line) * Bytes,
            baseMask,
            extra * (1 + linesPerExtra) * Bytes,
            extraBit >= 4 ? shift : -shift,
            EachByte * (uint)(((1 << extraBits) - 1) << extraBit),
            field,
            isAbove ? baseBit : extraBit);
    }

    /// <summary>Adds four codes of each output to a part that holds none for them yet.</summary>
    /// <param name="part">Its begin.</param>
    /// <param name="codes">[32] words of four codes, a byte each.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe void Write(byte* part, uint* codes)
    {
        var baseBits = (uint*)(part + BaseOffset);
        var extraBits = (uint*)(part + ExtraOffset);
        for (int column = 0; column < PanelFormat.PanelColumns; column += Vector256<uint>.Count)
        {
            Vector256<uint> placed = Vector256.Load(codes + column) << FactorBits;
            (Vector256.Load(baseBits + column) | placed & Vector256.Create(BaseMask)).Store(baseBits + column);
            if (ExtraMask == 0) continue;
            Vector256<uint> extra = placed & Vector256.Create(ExtraMask);
            extra = ExtraShift >= 0 ? extra << ExtraShift : extra >>> -ExtraShift;
            (Vector256.Load(extraBits + column) | extra).Store(extraBits + column);
        }
    }

    /// <summary>The four codes of an output.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe uint Read(byte* part, int column)
    {
        uint extra = ((uint*)(part + ExtraOffset))[column];
        extra = ExtraShift >= 0 ? extra >> ExtraShift : extra << -ExtraShift;
        return (((uint*)(part + BaseOffset))[column] & BaseMask | extra & ExtraMask) >> FactorBits;
    }
}
