namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>The reference: an output at a time, straight from the definition.</summary>
sealed unsafe class ScalarMatMul : MatMulVariant
{
    public override string Name => "scalar";

    public override bool Supports(PanelFormat format) => true;

    public override void Multiply(PanelFormat format, in PanelProduct product, nint scratch)
    {
        nint panelBytes = (nint)product.NumBlocks * format.BlockBytes;
        for (int panel = 0; panel < product.NumPanels; panel++)
        {
            byte* w = product.W + panel * panelBytes;
            for (int row = 0; row < product.NumRows; row++)
            {
                float* y = product.YRow(row) + panel * PanelFormat.PanelColumns;
                for (int column = 0; column < PanelFormat.PanelColumns; column++)
                {
                    y[column] = format.IsQuantized
                        ? DotCodes(format, product.XRow(row), w, product.NumBlocks, column)
                        : DotFloats(format, product.XRow(row), w, product.NumBlocks, column);
                }
            }
        }
    }

    static float DotCodes(PanelFormat format, byte* x, byte* w, int numBlocks, int column)
    {
        float sum = 0;
        for (int b = 0; b < numBlocks; b++, w += format.BlockBytes)
        {
            for (int p = 0; p < format.PartsPerBlock; p++)
            {
                for (int group = 0; group < format.GroupsPerPart; group++)
                {
                    sum = AddGroup(format, x, w, w + format.SuperBytes + p * format.PartBytes, group, column, sum);
                    x += format.GroupSize + GroupTail.SizeBytes;
                }
            }
        }

        return sum;
    }

    static float AddGroup(PanelFormat format, byte* x, byte* block, byte* part, int group, int column, float sum)
    {
        GroupTail* tail = (GroupTail*)(x + format.GroupSize);
        int dot = tail->MinusSum * format.CodeOffset;
        for (int u = 0; u < format.LinesPerGroup; u++)
        {
            uint codes = format.CodeLines[group * format.LinesPerGroup + u].Read(part, column);
            for (int i = 0; i < 4; i++) dot += (int)(codes >> (8 * i) & 0xFF) * ((sbyte*)x)[4 * u + i];
        }

        (float scale, float min) = GroupScales.Read(format, block, part, group, column);
        sum = MathF.FusedMultiplyAdd(dot * scale, tail->Scale, sum);
        return format.HasMin ? MathF.FusedMultiplyAdd(min, tail->ScaledSum, sum) : sum;
    }

    static float DotFloats(PanelFormat format, byte* x, byte* w, int numBlocks, int column)
    {
        const int Columns = PanelFormat.PanelColumns;
        float sum = 0;
        for (int k = 0; k < numBlocks * format.BlockColumns; k++)
        {
            (float weight, float activation) = format switch
            {
                _ when format == PanelFormat.F32 => (((float*)w)[(nint)k * Columns + column], ((float*)x)[k]),
                _ when format == PanelFormat.F16 => ((float)((Half*)w)[(nint)k * Columns + column], ((float*)x)[k]),
                _ => (BFloat16.ToSingle(((ushort*)w)[((nint)(k / 2) * Columns + column) * 2 + k % 2]),
                    BFloat16.ToSingle(((ushort*)x)[k])),
            };
            sum = MathF.FusedMultiplyAdd(weight, activation, sum);
        }

        return sum;
    }
}
