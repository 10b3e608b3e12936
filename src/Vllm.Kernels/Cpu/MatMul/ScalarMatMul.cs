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

    static float DotCodes(PanelFormat format, byte* x, byte* block, int numBlocks, int column)
    {
        float sum = 0;
        for (int b = 0; b < numBlocks; b++, block += format.BlockBytes)
        {
            for (int group = 0; group < format.GroupsPerBlock; group++, x += format.GroupSize + GroupTail.SizeBytes)
            {
                GroupTail* tail = (GroupTail*)(x + format.GroupSize);
                int dot = tail->MinusSum * format.CodeOffset;
                for (int k = 0; k < format.GroupSize; k++)
                    dot += Code(format, block, group, k, column) * ((sbyte*)x)[k];
                float scaled = dot * (float)((Half*)(block + format.ScaleOffset(group)))[column];
                sum = MathF.FusedMultiplyAdd(scaled, tail->Scale, sum);
                if (!format.HasMin) continue;
                float min = (float)((Half*)(block + format.MinOffset(group)))[column];
                sum = MathF.FusedMultiplyAdd(min, tail->ScaledSum, sum);
            }
        }

        return sum;
    }

    static int Code(PanelFormat format, byte* block, int group, int k, int column)
    {
        byte codes = block[k / 4 * PanelFormat.LineBytes + column * 4 + k % 4];
        return format.CodeBits == 8 ? codes : codes >> (4 * group) & 0xF;
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
