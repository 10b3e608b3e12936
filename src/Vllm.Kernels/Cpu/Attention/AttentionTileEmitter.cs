using System.Runtime.InteropServices;
using Iced.Intel;
using Vllm.Kernels.Cpu.CodeGen;
using static Iced.Intel.AssemblerRegisters;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// Emits the tile step of <see cref="TileKernel"/> for BF16 with AVX-512 and <c>vdpbf16ps</c>:
/// <code>
/// scores:   for each pair of dims:  4 loads of K (16 tokens each); per row: broadcast q, 4 vdpbf16ps
/// steps:    scores by scales of keys, cap, slopes                        (where asked for)
/// mask:     scores of invisible tokens = Masked                         (masked kernels only)
/// maxima:   max over the 64 scores of all rows at once, by a tree of unpacks
///           if a row's maximum exceeds m + 8: m = maximum, rescale its sums and output   (out of line)
/// weights:  p = 2^(s - m), rounded to bf16 and kept on the stack; sums += p by lane
///           (with scales of values: p times those, rounded, is kept)
/// output:   for each panel of up to 4 vectors of dims:  load output;
///             for each pair of tokens:  loads of V; per row: broadcast p, vdpbf16ps per vector;
///           store output
/// </code>
/// Registers: zmm0-23 scores, then weights [row][4], then output panel [row][vectors] · zmm24-27 K or V · zmm28-31
/// broadcasts · r14 arguments · r8-r11 K · r12, r13, r15, rbx next K · rsi q · rdx softmax state · rax output ·
/// [rsp] weights of 128 bytes a row, then the rescaling factors.
/// Every element of scores and output is one accumulator that takes pairs in order; masked weights are exactly +0, and
/// adding +0 * V changes nothing; so neither the other rows nor skipping what is masked shows in the result.
/// The next tile is fetched to the L2 cache: prefetcht1 reads a cold cache 1.4 to 1.6 times as fast as prefetcht0 on
/// Zen 4, where two tiles do not fit the L1 cache; every line, one tile ahead (2 to 4 tiles were slower).
/// Codes of 8 bits (<see cref="KvCode"/>) are looked up on the way, for up to 4 rows: zmm16-19 tables of the lower and
/// upper bytes of bf16 numbers · zmm20 order of quadwords · zmm21-23 codes, lower and upper bytes.
/// The rescaling is lazy to save time, and decided row by row: rows that come along are multiplied by exactly 1.
/// </summary>
sealed class AttentionTileEmitter(Assembler a, TileShape shape, int numRows, int numMaskedSubs, PrefetchLines prefetch)
{
    const int SubTiles = TileKernel.TileTokens / TileKernel.SubTokens;
    const int WeightRowBytes = TileKernel.TileTokens * 2;
    const int FactorsOffset = TileKernel.MaxRows * WeightRowBytes;
    const int LocalBytes = FactorsOffset + 64;

    /// <summary>Pairs of dims per iteration of the score loop.</summary>
    const int ScoreUnroll = 4;

    /// <summary>2^f on [0, 1): minimax of degree 5, exact at 0, 2.3 ulp; the result is rounded to bf16 anyway.</summary>
    static readonly float[] Exp2 = [1f, 0.6931513f, 0.24016444f, 0.055799913f, 0.00901703f, 0.0018671304f];

    static readonly AssemblerRegister64[] K = [r8, r9, r10, r11];
    static readonly AssemblerRegister64[] NextK = [r12, r13, r15, rbx];

    readonly int _dims = shape.Dims;
    readonly KvCode? _code = KvCode.Of(shape.DType);
    readonly Label[] _exp2 = new Label[Exp2.Length];
    Label _eight = a.CreateLabel(), _masked = a.CreateLabel(), _bfloat16Ones = a.CreateLabel();
    Label _signOfFloats = a.CreateLabel(), _indices = a.CreateLabel(), _sixteen = a.CreateLabel();
    Label _tables = a.CreateLabel(), _quadOrder = a.CreateLabel(), _signsOfCodes = a.CreateLabel();
    Label _rescale = a.CreateLabel(), _rescaled = a.CreateLabel();

    bool IsMasked => numMaskedSubs > 0;

    /// <summary>Bytes of a column in a pair row.</summary>
    int PairBytes => _code is null ? 4 : 2;

    /// <summary>Emits the kernel: <c>void f(TileArguments*)</c>.</summary>
    public void Emit()
    {
        for (int i = 0; i < _exp2.Length; i++) _exp2[i] = a.CreateLabel();
        KernelFrame.EmitEntry(a, LocalBytes);
        if (_code is null) EmitScores();
        else EmitScoresOfCodes();
        if (shape.Steps.HasFlag(TileSteps.Scales)) EmitKeyScales();
        for (int row = 0; row < numRows; row++)
        {
            if (shape.Steps.HasFlag(TileSteps.SoftCap)) EmitSoftCap(row);
            if (shape.Steps.HasFlag(TileSteps.Alibi)) EmitSlope(row);
        }
        if (IsMasked) EmitMask();
        EmitMaxima();
        if (shape.Steps.HasFlag(TileSteps.Scales)) a.mov(rsi, Field(nameof(TileArguments.Scales), 1));
        for (int row = 0; row < numRows; row++) EmitWeights(row);
        EmitOutput();
        KernelFrame.EmitExit(a);
        EmitRescale();
        EmitConstants();
    }

    static AssemblerRegisterZMM Score(int row, int sub) => Registers.Zmm[row * SubTiles + sub];

    static AssemblerRegisterZMM Kv(int i) => Registers.Zmm[24 + i];

    static AssemblerRegisterZMM Broadcast(int row) => Registers.Zmm[28 + row % 4];

    static AssemblerMemoryOperand Field(string name, int index = 0, int elementBytes = 8) =>
        __[r14 + (int)Marshal.OffsetOf<TileArguments>(name) + index * elementBytes];

    static AssemblerMemoryOperand Maximum(int row) => __dword_bcst[rdx + SoftmaxState.MaximumIndex(row) * 4];

    static AssemblerMemoryOperand Sums(int row) =>
        __zmmword_ptr[rdx + (int)Marshal.OffsetOf<SoftmaxState>(nameof(SoftmaxState.Sums)) + row * 64];

    void EmitScores()
    {
        int pairRowBytes = shape.Columns * 4;
        // Masked kernels skip the sub-tiles after the last visible token.
        int numSubs = IsMasked ? numMaskedSubs : SubTiles;
        a.mov(rsi, Field(nameof(TileArguments.Queries)));
        for (int sub = 0; sub < SubTiles; sub++)
        {
            a.mov(K[sub], Field(nameof(TileArguments.Keys), sub));
            if (prefetch != PrefetchLines.None) a.mov(NextK[sub], Field(nameof(TileArguments.NextKeys), sub));
        }
        for (int row = 0; row < numRows; row++)
            for (int sub = 0; sub < SubTiles; sub++)
                a.vpxord(Score(row, sub), Score(row, sub), Score(row, sub));

        Label loop = a.CreateLabel();
        a.mov(ecx, _dims / 2 / ScoreUnroll);
        a.Label(ref loop);
        for (int pair = 0; pair < ScoreUnroll; pair++)
        {
            for (int sub = 0; sub < numSubs; sub++) a.vmovups(Kv(sub), __[K[sub] + pair * pairRowBytes]);
            for (int sub = 0; sub < SubTiles; sub++)
                if (prefetch.HasFlag(sub < 2 ? PrefetchLines.Even : PrefetchLines.Odd))
                    a.prefetcht1(__byte_ptr[NextK[sub] + pair * pairRowBytes]);
            for (int row = 0; row < numRows; row++)
            {
                a.vpbroadcastd(Broadcast(row), __dword_ptr[rsi + row * _dims * 2 + pair * 4]);
                for (int sub = 0; sub < numSubs; sub++) a.vdpbf16ps(Score(row, sub), Kv(sub), Broadcast(row));
            }
        }
        foreach (AssemblerRegister64 pointer in prefetch == PrefetchLines.None ? K : [.. K, .. NextK])
            a.add(pointer, ScoreUnroll * pairRowBytes);
        a.add(rsi, ScoreUnroll * 4);
        a.dec(ecx);
        a.jnz(loop);
    }

    /// <summary>As <see cref="EmitScores"/>, where the 64 tokens of a pair row lie in two vectors of codes.</summary>
    void EmitScoresOfCodes()
    {
        int pairRowBytes = shape.Columns * PairBytes;
        int numSubs = IsMasked ? numMaskedSubs : SubTiles;
        a.lea(rcx, __[_tables]);
        for (int i = 0; i < 4; i++) a.vmovups(Registers.Zmm[16 + i], __zmmword_ptr[rcx + i * 64]);
        a.vmovups(zmm20, __[_quadOrder]);
        a.mov(rsi, Field(nameof(TileArguments.Queries)));
        a.mov(r8, Field(nameof(TileArguments.Keys)));
        if (prefetch != PrefetchLines.None) a.mov(r12, Field(nameof(TileArguments.NextKeys)));
        for (int row = 0; row < numRows; row++)
            for (int sub = 0; sub < SubTiles; sub++) a.vpxord(Score(row, sub), Score(row, sub), Score(row, sub));

        Label loop = a.CreateLabel();
        a.mov(ecx, _dims / 2 / ScoreUnroll);
        a.Label(ref loop);
        for (int pair = 0; pair < ScoreUnroll; pair++)
        {
            for (int sub = 0; sub < numSubs; sub += 2) EmitLookup(r8, pair * pairRowBytes + sub * 32, false, Kv(sub), Kv(sub + 1));
            if (prefetch != PrefetchLines.None)
                for (int line = 0; line < 2; line++) a.prefetcht1(__byte_ptr[r12 + pair * pairRowBytes + line * 64]);
            for (int row = 0; row < numRows; row++)
            {
                a.vpbroadcastd(Broadcast(row), __dword_ptr[rsi + row * _dims * 2 + pair * 4]);
                for (int sub = 0; sub < numSubs; sub++) a.vdpbf16ps(Score(row, sub), Kv(sub), Broadcast(row));
            }
        }
        a.add(r8, ScoreUnroll * pairRowBytes);
        if (prefetch != PrefetchLines.None) a.add(r12, ScoreUnroll * pairRowBytes);
        a.add(rsi, ScoreUnroll * 4);
        a.dec(ecx);
        a.jnz(loop);
    }

    /// <summary>first, second = bf16 of 64 codes, or first = those of 32. Unpacking takes 8 codes of each 128 bits, which
    /// the order of quadwords puts there; indices count modulo 128, so that the sign does not matter.</summary>
    void EmitLookup(AssemblerRegister64 pointer, int offset, bool isHalf, AssemblerRegisterZMM first, AssemblerRegisterZMM second)
    {
        AssemblerRegisterZMM codes = zmm21, low = zmm22, high = zmm23;
        if (isHalf)
        {
            a.vmovdqu32(ymm21, __ymmword_ptr[pointer + offset]);
            a.vpermq(codes, zmm20, codes);
        }
        else
        {
            a.vpermq(codes, zmm20, __zmmword_ptr[pointer + offset]);
        }
        a.vmovdqa64(low, codes);
        a.vpermi2b(low, zmm16, zmm17);
        a.vmovdqa64(high, codes);
        a.vpermi2b(high, zmm18, zmm19);
        const byte FirstOrSecondAndThird = 0xF8;
        a.vpternlogd(high, codes, __dword_bcst[_signsOfCodes], FirstOrSecondAndThird);
        a.vpunpcklbw(first, low, high);
        if (!isHalf) a.vpunpckhbw(second, low, high);
    }

    void EmitKeyScales()
    {
        a.mov(rsi, Field(nameof(TileArguments.Scales)));
        for (int row = 0; row < numRows; row++)
            for (int sub = 0; sub < SubTiles; sub++) a.vmulps(Score(row, sub), Score(row, sub), __zmmword_ptr[rsi + sub * 64]);
    }

    /// <summary>s = cap tanh(s / cap), two vectors at a time.</summary>
    void EmitSoftCap(int row)
    {
        AssemblerRegisterZMM one = zmm30;
        a.vbroadcastss(one, __dword_ptr[_exp2[0]]);
        for (int sub = 0; sub < SubTiles; sub += 2)
        {
            AssemblerRegisterZMM[] e = [zmm24, zmm25], below = [zmm26, zmm27], above = [zmm28, zmm29];
            for (int i = 0; i < 2; i++)
            {
                a.vmulps(e[i], Score(row, sub + i), FloatField(nameof(TileArguments.SoftCapFactor)));
                a.vpord(e[i], e[i], __dword_bcst[_signOfFloats]); // -|x|
            }
            EmitExp2(e, below, above);
            for (int i = 0; i < 2; i++)
            {
                AssemblerRegisterZMM score = Score(row, sub + i);
                a.vsubps(below[i], one, e[i]);
                a.vaddps(above[i], one, e[i]);
                a.vdivps(below[i], below[i], above[i]);
                const byte TakeSecondWhereThird = 0xD8;
                a.vpternlogd(below[i], score, __dword_bcst[_signOfFloats], TakeSecondWhereThird);
                a.vmulps(score, below[i], FloatField(nameof(TileArguments.SoftCap)));
            }
        }
    }

    /// <summary>s += slope times the token's position minus the row's.</summary>
    void EmitSlope(int row)
    {
        a.vmovups(zmm24, __[_indices]);
        a.vaddps(zmm24, zmm24, FloatField(nameof(TileArguments.AlibiOffsets), row));
        for (int sub = 0; sub < SubTiles; sub++)
        {
            if (sub > 0) a.vaddps(zmm24, zmm24, __dword_bcst[_sixteen]);
            a.vfmadd231ps(Score(row, sub), zmm24, FloatField(nameof(TileArguments.AlibiSlopes), row));
        }
    }

    static AssemblerMemoryOperand FloatField(string name, int index = 0) =>
        __dword_bcst[r14 + (int)Marshal.OffsetOf<TileArguments>(name) + index * sizeof(float)];

    void EmitMask()
    {
        a.vbroadcastss(zmm31, __dword_ptr[_masked]);
        a.mov(rcx, -1L);
        for (int row = 0; row < numRows; row++)
        {
            // k1 = bits [first, end), then its 16-bit quarters
            a.mov(eax, Field(nameof(TileArguments.FirstVisible), row, sizeof(int)));
            a.bzhi(rax, rcx, rax);
            a.mov(esi, Field(nameof(TileArguments.EndVisible), row, sizeof(int)));
            a.bzhi(rsi, rcx, rsi);
            a.andn(rax, rax, rsi);
            a.kmovq(k1, rax);
            a.kshiftrq(k2, k1, 16);
            a.kshiftrq(k3, k1, 32);
            a.kshiftrq(k4, k1, 48);
            a.vblendmps(Score(row, 0).k1, zmm31, Score(row, 0));
            a.vblendmps(Score(row, 1).k2, zmm31, Score(row, 1));
            a.vblendmps(Score(row, 2).k3, zmm31, Score(row, 2));
            a.vblendmps(Score(row, 3).k4, zmm31, Score(row, 3));
        }
    }

    /// <summary>Reduces the scores of all rows to their maxima, in the lanes of <see cref="SoftmaxState.Maxima"/>, and
    /// goes to the rescaling if one exceeds the running maximum by more than 8.</summary>
    void EmitMaxima()
    {
        for (int row = 0; row < numRows; row++)
        {
            a.vmaxps(Registers.Zmm[24 + row], Score(row, 0), Score(row, 1));
            a.vmaxps(zmm30, Score(row, 2), Score(row, 3));
            a.vmaxps(Registers.Zmm[24 + row], Registers.Zmm[24 + row], zmm30);
        }

        // Within 128 bits: 4 lanes of 4 rows to one lane each.
        EmitMaximaOfTwo(zmm31, 0, 1);
        if (numRows > 2) EmitMaximaOfTwo(zmm24, 2, 3);
        EmitMaximaOfFour(zmm24, zmm31, numRows > 2 ? zmm24 : zmm31);
        if (numRows > 4)
        {
            EmitMaximaOfTwo(zmm31, 4, 5);
            EmitMaximaOfFour(zmm25, zmm31, zmm31);
        }

        // Across the four 128-bit parts; the upper half takes rows 4 and 5.
        AssemblerRegisterZMM upper = numRows > 4 ? zmm25 : zmm24;
        a.vshuff64x2(zmm30, zmm24, upper, 0x44);
        a.vshuff64x2(zmm31, zmm24, upper, 0xEE);
        a.vmaxps(zmm30, zmm30, zmm31);
        a.vshuff64x2(zmm31, zmm30, zmm30, 0xB1);
        a.vmaxps(zmm30, zmm30, zmm31);

        a.mov(rdx, Field(nameof(TileArguments.Softmax)));
        a.vmovups(zmm31, __[rdx]);
        a.vaddps(zmm29, zmm31, __dword_bcst[_eight]);
        a.vcmpps(k1, zmm30, zmm29, 14); // greater, false for NaN
        a.kortestw(k1, k1);
        a.jnz(_rescale);
        a.Label(ref _rescaled);
    }

    /// <summary>target = lanes {x0, y0, x1, y1} of each 128-bit part, from rows x and y.</summary>
    void EmitMaximaOfTwo(AssemblerRegisterZMM target, int x, int y)
    {
        AssemblerRegisterZMM rowX = Registers.Zmm[24 + Math.Min(x, numRows - 1)];
        AssemblerRegisterZMM rowY = Registers.Zmm[24 + Math.Min(y, numRows - 1)];
        a.vunpcklps(zmm30, rowX, rowY);
        a.vunpckhps(target, rowX, rowY);
        a.vmaxps(target, zmm30, target);
    }

    /// <summary>target = lanes {x, y, z, w} of each 128-bit part, from two results of <see cref="EmitMaximaOfTwo"/>.</summary>
    void EmitMaximaOfFour(AssemblerRegisterZMM target, AssemblerRegisterZMM xy, AssemblerRegisterZMM zw)
    {
        a.vunpcklpd(zmm30, xy, zw);
        a.vunpckhpd(target, xy, zw);
        a.vmaxps(target, zmm30, target);
    }

    /// <summary>Out of line: k1 rows take the new maximum (zmm30); all rows are multiplied by 2^(old - new).</summary>
    void EmitRescale()
    {
        a.Label(ref _rescale);
        a.vmovaps(zmm29, zmm31);
        a.vmovaps(zmm31.k1, zmm30);
        a.vmovups(__[rdx], zmm31);
        a.vsubps(zmm29, zmm29, zmm31);
        EmitExp2([zmm29], [zmm30], [zmm28]);
        a.vmovups(__[rsp + FactorsOffset], zmm29);
        a.mov(rax, Field(nameof(TileArguments.Output)));
        for (int row = 0; row < numRows; row++)
        {
            a.vbroadcastss(zmm24, __dword_ptr[rsp + FactorsOffset + SoftmaxState.MaximumIndex(row) * 4]);
            a.vmulps(zmm25, zmm24, Sums(row));
            a.vmovups(Sums(row), zmm25);
            for (int d = 0; d < _dims; d += 16)
            {
                AssemblerRegisterZMM vector = Registers.Zmm[26 + d / 16 % 4];
                a.vmulps(vector, zmm24, OutputVector(row, d));
                a.vmovups(OutputVector(row, d), vector);
            }
        }
        a.jmp(_rescaled);
    }

    /// <summary>x = 2^x for several vectors side by side; whole and fraction parts are taken by the instructions.</summary>
    void EmitExp2(AssemblerRegisterZMM[] x, AssemblerRegisterZMM[] fraction, AssemblerRegisterZMM[] sum)
    {
        const byte FloorWithoutExceptions = 9;
        for (int i = 0; i < x.Length; i++) a.vreduceps(fraction[i], x[i], FloorWithoutExceptions);
        for (int i = 0; i < x.Length; i++) a.vbroadcastss(sum[i], __dword_ptr[_exp2[^1]]);
        for (int power = Exp2.Length - 2; power >= 0; power--)
            for (int i = 0; i < x.Length; i++) a.vfmadd213ps(sum[i], fraction[i], __dword_bcst[_exp2[power]]);
        for (int i = 0; i < x.Length; i++) a.vscalefps(x[i], sum[i], x[i]);
    }

    /// <summary>Turns a row's scores into bf16 weights on the stack and adds them to its sums, as rounded.</summary>
    void EmitWeights(int row)
    {
        AssemblerRegisterZMM[] s = [Score(row, 0), Score(row, 1), Score(row, 2), Score(row, 3)];
        foreach (AssemblerRegisterZMM vector in s) a.vsubps(vector, vector, Maximum(row));
        EmitExp2(s, [zmm24, zmm25, zmm26, zmm27], [zmm28, zmm29, zmm30, zmm31]);
        a.vcvtne2ps2bf16(zmm25, s[1], s[0]);
        a.vcvtne2ps2bf16(zmm26, s[3], s[2]);
        a.vmovups(zmm24, Sums(row));
        a.vdpbf16ps(zmm24, zmm25, __dword_bcst[_bfloat16Ones]);
        a.vdpbf16ps(zmm24, zmm26, __dword_bcst[_bfloat16Ones]);
        a.vmovups(Sums(row), zmm24);
        if (shape.Steps.HasFlag(TileSteps.Scales))
        {
            for (int sub = 0; sub < SubTiles; sub++) a.vmulps(s[sub], s[sub], __zmmword_ptr[rsi + sub * 64]);
            a.vcvtne2ps2bf16(zmm25, s[1], s[0]);
            a.vcvtne2ps2bf16(zmm26, s[3], s[2]);
        }
        a.vmovups(__[rsp + row * WeightRowBytes], zmm25);
        a.vmovups(__[rsp + row * WeightRowBytes + 64], zmm26);
    }

    void EmitOutput()
    {
        a.mov(rax, Field(nameof(TileArguments.Output)));
        int numVectors = _dims / 16;
        for (int first = 0; first < numVectors;)
        {
            int left = numVectors - first;
            // 5 and 6 vectors go as 3 + 2 and 3 + 3: narrow panels waste the broadcasts.
            int num = left is 5 or 6 ? 3 : Math.Min(4, left);
            EmitPanel(first, num);
            first += num;
        }
    }

    static AssemblerMemoryOperand WeightPair(int row, int pair) => __dword_ptr[rsp + rcx * 4 + row * WeightRowBytes + pair * 4];

    AssemblerMemoryOperand OutputVector(int row, int d) => __zmmword_ptr[rax + (row * _dims + d) * 4];

    /// <summary>Adds weights times values to vectors [first, first + num) of each row's output.</summary>
    void EmitPanel(int first, int num)
    {
        for (int row = 0; row < numRows; row++)
            for (int i = 0; i < num; i++) a.vmovups(Registers.Zmm[row * num + i], OutputVector(row, (first + i) * 16));
        if (IsMasked) EmitVisiblePairs(first, num);
        else EmitAllPairs(first, num);
        for (int row = 0; row < numRows; row++)
            for (int i = 0; i < num; i++) a.vmovups(OutputVector(row, (first + i) * 16), Registers.Zmm[row * num + i]);
    }

    /// <summary>rcx = first pair of a sub-tile; its 8 pairs are unrolled.</summary>
    void EmitAllPairs(int first, int num)
    {
        const int PairsPerSub = TileKernel.SubTokens / 2;
        Label loop = a.CreateLabel();
        a.xor(ecx, ecx);
        a.Label(ref loop);
        a.mov(r8, __qword_ptr[r14 + rcx + (int)Marshal.OffsetOf<TileArguments>(nameof(TileArguments.Values))]);
        if (prefetch != PrefetchLines.None)
            a.mov(r9, __qword_ptr[r14 + rcx + (int)Marshal.OffsetOf<TileArguments>(nameof(TileArguments.NextValues))]);
        for (int pair = 0; pair < PairsPerSub; pair++)
        {
            int rowOffset = pair * _dims * PairBytes;
            for (int i = first; i < first + num; i++)
                if (_code is not null && prefetch != PrefetchLines.None && i % 2 == 0)
                    a.prefetcht1(__byte_ptr[r9 + rowOffset + i * 32]);
                else if (_code is null && prefetch.HasFlag(i % 2 == 0 ? PrefetchLines.Even : PrefetchLines.Odd))
                    a.prefetcht1(__byte_ptr[r9 + rowOffset + i * 64]);
            EmitPair(pair, rowOffset, first, num);
        }
        a.add(ecx, PairsPerSub); // also the offset of the sub-tile's pointers
        a.cmp(ecx, SubTiles * PairsPerSub);
        a.jb(loop);
    }

    /// <summary>rcx = pair, from the first visible one to the last; a request's tail or a window's head may begin and
    /// end anywhere in a tile.</summary>
    void EmitVisiblePairs(int first, int num)
    {
        Label loop = a.CreateLabel();
        a.mov(rcx, Field(nameof(TileArguments.FirstPair)));
        a.Label(ref loop);
        a.mov(r9, rcx);
        a.shr(r9, 3);
        a.mov(r8, __qword_ptr[r14 + r9 * 8 + (int)Marshal.OffsetOf<TileArguments>(nameof(TileArguments.Values))]);
        a.mov(r9, rcx);
        a.and(r9, 7);
        a.imul(r9, r9, _dims * PairBytes);
        a.add(r8, r9);
        EmitPair(0, 0, first, num);
        a.inc(rcx);
        a.cmp(rcx, Field(nameof(TileArguments.EndPair)));
        a.jb(loop);
    }

    /// <summary>Accumulators += weights of pair rcx + pair times values at r8 + rowOffset.</summary>
    void EmitPair(int pair, int rowOffset, int first, int num)
    {
        for (int i = 0; i < num; i++)
            if (_code is null) a.vmovups(Kv(i), __[r8 + rowOffset + (first + i) * 64]);
            else if (i % 2 == 0) EmitLookup(r8, rowOffset + (first + i) * 32, i + 1 == num, Kv(i), Kv(Math.Min(i + 1, 3)));
        for (int row = 0; row < numRows; row++)
        {
            a.vpbroadcastd(Broadcast(row), WeightPair(row, pair));
            for (int i = 0; i < num; i++) a.vdpbf16ps(Registers.Zmm[row * num + i], Kv(i), Broadcast(row));
        }
    }

    void EmitConstants()
    {
        for (int i = 0; i < Exp2.Length; i++) EmitConstant(ref _exp2[i], Exp2[i]);
        EmitConstant(ref _eight, 8);
        EmitConstant(ref _masked, TileKernel.Masked);
        EmitConstant(ref _bfloat16Ones, BitConverter.UInt32BitsToSingle(0x3F803F80));
        if (shape.Steps.HasFlag(TileSteps.SoftCap)) EmitConstant(ref _signOfFloats, -0f);
        if (_code is not null) EmitTables(_code);
        if (!shape.Steps.HasFlag(TileSteps.Alibi)) return;
        EmitConstant(ref _sixteen, 16);
        a.Label(ref _indices);
        for (int i = 0; i < 16; i++) a.dd(BitConverter.SingleToUInt32Bits(i));
    }

    void EmitTables(KvCode code)
    {
        ushort[] numbers = [.. Enumerable.Range(0, KvCode.NumMagnitudes).Select(i => code.Decode((byte)i))];
        a.Label(ref _tables);
        a.db([.. numbers.Select(number => (byte)number), .. numbers.Select(number => (byte)(number >> 8))]);
        a.Label(ref _quadOrder);
        foreach (ulong quad in new ulong[] { 0, 4, 1, 5, 2, 6, 3, 7 }) a.dq(quad);
        a.Label(ref _signsOfCodes);
        a.dd(0x80808080);
    }

    void EmitConstant(ref Label label, float value)
    {
        a.Label(ref label);
        a.dd(BitConverter.SingleToUInt32Bits(value));
    }
}
