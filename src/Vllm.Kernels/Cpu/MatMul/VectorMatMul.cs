using System.Runtime.CompilerServices;

namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// The product in C# vectors of any width: one vector of outputs (two for floating-point weights) by four rows at a
/// time, then by single rows. Integer products give the bits of every other variant.
/// </summary>
sealed unsafe class VectorMatMul<TLanes, TFloat, TInt> : MatMulVariant
    where TLanes : struct, ILanes<TFloat, TInt>
{
    const int Columns = PanelFormat.PanelColumns;
    const int TileRows = 4;

    public override string Name => TLanes.Name;

    public override bool Supports(PanelFormat format) => TLanes.IsSupported;

    public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch)
    {
        nint panelBytes = (nint)product.NumBlocks * format.BlockBytes;
        for (int panel = 0; panel < product.NumPanels; panel++)
        {
            byte* w = product.W + panel * panelBytes;
            int row = 0;
            for (; row + TileRows <= product.NumRows; row += TileRows)
                MultiplyTile(format, product, w, panel, row, TileRows);
            for (; row < product.NumRows; row++) MultiplyTile(format, product, w, panel, row, 1);
        }
    }

    static void MultiplyTile(PanelFormat format, in PanelProduct product, byte* w, int panel, int row, int numRows)
    {
        float* y = product.YRow(row) + panel * Columns;
        byte* x = product.XRow(row);
        if (format.IsQuantized)
        {
            if (numRows == 1) OneRowOfCodes(format, x, w, product.NumBlocks, y);
            else FourRowsOfCodes(format, x, product.XStrideBytes, w, product.NumBlocks, y, product.YStrideBytes);
            return;
        }

        int numColumns = product.NumBlocks * format.BlockColumns;
        nint yStride = numRows == 1 ? 0 : product.YStrideBytes, xStride = numRows == 1 ? 0 : product.XStrideBytes;
        if (format == PanelFormat.F32) FourRowsOfFloats<F32Weights>(x, xStride, w, numColumns, y, yStride);
        else if (format == PanelFormat.F16) FourRowsOfFloats<F16Weights>(x, xStride, w, numColumns, y, yStride);
        else FourRowsOfFloats<BF16Weights>(x, xStride, w, numColumns, y, yStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void OneRowOfCodes(PanelFormat format, byte* x, byte* w, int numBlocks, float* y)
    {
        Codes codes = new(format);
        int numParts = numBlocks * format.PartsPerBlock;
        for (int column = 0; column < Columns; column += TLanes.Count)
        {
            TFloat sum = TLanes.Splat(0f);
            byte* block = w, part = w, xGroup = x;
            for (int p = 0; p < numParts; p++, part += codes.PartBytes)
            {
                if (codes.StartsBlock(p)) block = codes.EnterBlock(ref part);
                for (int group = 0; group < codes.GroupsPerPart; group++, xGroup += codes.XGroupBytes)
                {
                    TInt dot = codes.Start(xGroup);
                    for (int line = 0; line < codes.LinesPerGroup; line++)
                        dot = TLanes.Dot(dot, codes.Load(part, group, line, column), ((int*)xGroup)[line]);
                    (TFloat scale, TFloat min) = codes.Scales(block, part, group, column);
                    sum = codes.Add(sum, dot, scale, min, xGroup);
                }
            }

            TLanes.Store(sum, y + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void FourRowsOfCodes(
        PanelFormat format, byte* x, nint xStride, byte* w, int numBlocks, float* y, nint yStride)
    {
        Codes codes = new(format);
        int numParts = numBlocks * format.PartsPerBlock;
        for (int column = 0; column < Columns; column += TLanes.Count)
        {
            TFloat sum0 = TLanes.Splat(0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            byte* block = w, part = w, x0 = x;
            for (int p = 0; p < numParts; p++, part += codes.PartBytes)
            {
                if (codes.StartsBlock(p)) block = codes.EnterBlock(ref part);
                for (int group = 0; group < codes.GroupsPerPart; group++, x0 += codes.XGroupBytes)
                {
                    byte* x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
                    TInt dot0 = codes.Start(x0), dot1 = codes.Start(x1), dot2 = codes.Start(x2), dot3 = codes.Start(x3);
                    for (int line = 0; line < codes.LinesPerGroup; line++)
                    {
                        TInt weights = codes.Load(part, group, line, column);
                        dot0 = TLanes.Dot(dot0, weights, ((int*)x0)[line]);
                        dot1 = TLanes.Dot(dot1, weights, ((int*)x1)[line]);
                        dot2 = TLanes.Dot(dot2, weights, ((int*)x2)[line]);
                        dot3 = TLanes.Dot(dot3, weights, ((int*)x3)[line]);
                    }

                    (TFloat scale, TFloat min) = codes.Scales(block, part, group, column);
                    sum0 = codes.Add(sum0, dot0, scale, min, x0);
                    sum1 = codes.Add(sum1, dot1, scale, min, x1);
                    sum2 = codes.Add(sum2, dot2, scale, min, x2);
                    sum3 = codes.Add(sum3, dot3, scale, min, x3);
                }
            }

            TLanes.Store(sum0, y + column);
            TLanes.Store(sum1, (float*)((byte*)y + yStride) + column);
            TLanes.Store(sum2, (float*)((byte*)y + 2 * yStride) + column);
            TLanes.Store(sum3, (float*)((byte*)y + 3 * yStride) + column);
        }
    }

    /// <summary>A single row is four times the same row: strides of 0. Its weights come from memory, which is slower
    /// than four products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void FourRowsOfFloats<TWeights>(byte* x0, nint xStride, byte* w, int numColumns, float* y, nint yStride)
        where TWeights : struct, IWeights
    {
        byte* x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        for (int column = 0; column < Columns; column += 2 * TLanes.Count)
        {
            TFloat a0 = TLanes.Splat(0f), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
            for (int k = 0; k < numColumns; k++)
            {
                TFloat wa = TWeights.Load(w, k, column), wb = TWeights.Load(w, k, column + TLanes.Count);
                TFloat v0 = TLanes.Splat(TWeights.LoadX(x0, k)), v1 = TLanes.Splat(TWeights.LoadX(x1, k));
                a0 = TLanes.Fma(wa, v0, a0);
                b0 = TLanes.Fma(wb, v0, b0);
                a1 = TLanes.Fma(wa, v1, a1);
                b1 = TLanes.Fma(wb, v1, b1);
                TFloat v2 = TLanes.Splat(TWeights.LoadX(x2, k)), v3 = TLanes.Splat(TWeights.LoadX(x3, k));
                a2 = TLanes.Fma(wa, v2, a2);
                b2 = TLanes.Fma(wb, v2, b2);
                a3 = TLanes.Fma(wa, v3, a3);
                b3 = TLanes.Fma(wb, v3, b3);
            }

            Store(y, a0, b0, column);
            Store((float*)((byte*)y + yStride), a1, b1, column);
            Store((float*)((byte*)y + 2 * yStride), a2, b2, column);
            Store((float*)((byte*)y + 3 * yStride), a3, b3, column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Store(float* y, TFloat a, TFloat b, int column)
    {
        TLanes.Store(a, y + column);
        TLanes.Store(b, y + column + TLanes.Count);
    }

    /// <summary>A quantized format's numbers in locals, and what is done with them.</summary>
    readonly struct Codes(PanelFormat format)
    {
        public readonly int PartBytes = format.PartBytes;
        public readonly int GroupsPerPart = format.GroupsPerPart;
        public readonly int LinesPerGroup = format.LinesPerGroup;
        public readonly int XGroupBytes = format.GroupSize + GroupTail.SizeBytes;
        readonly CodeLine[] _lines = format.CodeLines;
        readonly int _partsPerBlock = format.PartsPerBlock;
        readonly int _superBytes = format.SuperBytes;
        readonly int _scalesBytes = format.ScalesBytes;
        readonly int _tailOffset = format.GroupSize;
        readonly int _scaleOffset = format.ScaleOffset(0);
        readonly int _minOffset = format.MinOffset(0);
        readonly int _codeOffset = format.CodeOffset;
        readonly bool _hasWholeBytes = format.CodeBits == 8;
        readonly bool _hasSuperScales = format.HasSuperScales;
        readonly bool _hasMin = format.HasMin;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool StartsBlock(int part) => (part & (_partsPerBlock - 1)) == 0; // 1 or 4

        /// <summary>Steps over the super-scales.</summary>
        /// <returns>Where they stand.</returns>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public byte* EnterBlock(ref byte* part)
        {
            byte* block = part;
            part += _superBytes;
            return block;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TInt Start(byte* xGroup) => TLanes.Splat(((GroupTail*)(xGroup + _tailOffset))->MinusSum * _codeOffset);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TInt Load(byte* part, int group, int lineInGroup, int column)
        {
            ref CodeLine line = ref _lines[group * LinesPerGroup + lineInGroup];
            TInt codes = TLanes.Load((uint*)(part + line.BaseOffset) + column);
            if (_hasWholeBytes) return codes;
            codes = TLanes.And(codes, line.BaseMask);
            if (line.ExtraMask != 0)
            {
                TInt extra = TLanes.Load((uint*)(part + line.ExtraOffset) + column);
                int shift = line.ExtraShift;
                extra = shift >= 0 ? TLanes.ShiftRight(extra, shift) : TLanes.ShiftLeft(extra, -shift);
                codes = TLanes.Or(codes, TLanes.And(extra, line.ExtraMask));
            }

            return TLanes.ShiftRight(codes, line.FactorBits);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public (TFloat Scale, TFloat Min) Scales(byte* block, byte* part, int group, int column)
        {
            byte* scales = part + _scaleOffset + group * _scalesBytes, mins = part + _minOffset + group * _scalesBytes;
            if (!_hasSuperScales)
                return (TLanes.Load((Half*)scales + column), _hasMin ? TLanes.Load((Half*)mins + column) : default!);
            return (Product(block, scales, column),
                _hasMin ? Product(block + PanelFormat.SuperMinOffset, mins, column) : default!);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static TFloat Product(byte* halves, byte* factors, int column) => TLanes.Multiply(
            TLanes.Load((Half*)halves + column), TLanes.ToFloat(TLanes.Load((sbyte*)factors + column)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TFloat Add(TFloat sum, TInt dot, TFloat scale, TFloat min, byte* xGroup)
        {
            GroupTail* tail = (GroupTail*)(xGroup + _tailOffset);
            sum = TLanes.Fma(TLanes.Multiply(TLanes.ToFloat(dot), scale), TLanes.Splat(tail->Scale), sum);
            return _hasMin ? TLanes.Fma(min, TLanes.Splat(tail->ScaledSum), sum) : sum;
        }
    }

    /// <summary>Floating-point weights and the activations that go with them.</summary>
    interface IWeights
    {
        static abstract TFloat Load(byte* panel, int k, int column);

        static abstract float LoadX(byte* x, int k);
    }

    readonly struct F32Weights : IWeights
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TFloat Load(byte* panel, int k, int column) =>
            TLanes.Load((float*)panel + (nint)k * Columns + column);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float LoadX(byte* x, int k) => ((float*)x)[k];
    }

    readonly struct F16Weights : IWeights
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TFloat Load(byte* panel, int k, int column) =>
            TLanes.Load((Half*)panel + (nint)k * Columns + column);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float LoadX(byte* x, int k) => ((float*)x)[k];
    }

    readonly struct BF16Weights : IWeights
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TFloat Load(byte* panel, int k, int column)
        {
            TInt pairs = TLanes.Load((uint*)panel + (nint)(k >> 1) * Columns + column);
            return TLanes.AsFloat((k & 1) == 0 ? TLanes.ShiftLeft(pairs, 16) : TLanes.And(pairs, 0xFFFF0000));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float LoadX(byte* x, int k) => BFloat16.ToSingle(((ushort*)x)[k]);
    }
}
