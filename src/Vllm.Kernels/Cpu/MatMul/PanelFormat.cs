namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>
/// How a matrix [N, K] is packed: in panels of 32 outputs, one after the other, each a run of blocks along K. A block
/// covers <see cref="BlockColumns"/> of the K input columns, starts at a multiple of 64 bytes and holds all that a
/// kernel needs for them, so that a panel is one sequential stream. N is padded to 32 and K to whole blocks by zeros.
/// </summary>
/// <remarks>
/// Quantized weights are w = scale * (code - <see cref="CodeOffset"/>) + min per group of <see cref="GroupSize"/>
/// columns. A block is
/// <code>
/// [GroupSize / 4][32][4] codes    byte i of line u and output c: column 4u + i; with 4-bit codes the low nibble is of
///                                 the block's first group, the high nibble of its second
/// [groups][32] fp16 scales
/// [groups][32] fp16 mins          if any
/// </code>
/// fp16 holds the scales of the formats with groups of 32 exactly; the products of two scales in the K formats are
/// rounded by at most 2^-11, a tenth of what rounding the activations to 8 bits costs.
/// </remarks>
sealed class PanelFormat
{
    /// <summary>Outputs of a panel: two 512-bit vectors of fp32.</summary>
    public const int PanelColumns = 32;

    /// <summary>Bytes of four codes, or of one fp32, for each output of a panel.</summary>
    public const int LineBytes = PanelColumns * 4;

    /// <summary>Bytes of one fp16 for each output of a panel.</summary>
    public const int ScalesBytes = PanelColumns * 2;

    PanelFormat(string name, ActivationForm activations, int blockColumns, int blockBytes)
    {
        Name = name;
        Activations = activations;
        BlockColumns = blockColumns;
        BlockBytes = blockBytes;
    }
    /// <summary>[K][32].</summary>
    public static PanelFormat F32 { get; } = new("fp32", ActivationForm.F32, 1, LineBytes);

    /// <summary>[K][32], widened in the kernel.</summary>
    public static PanelFormat F16 { get; } = new("fp16", ActivationForm.F32, 1, ScalesBytes);

    /// <summary>[K / 2][32][2], in blocks of 8 columns.</summary>
    public static PanelFormat BF16 { get; } = new("bf16", ActivationForm.BF16, 8, 4 * LineBytes);

    /// <summary>Q8_0, Q5_0, IQ4_NL, IQ4_XS.</summary>
    public static PanelFormat Int8 { get; } = Quantized("int8 g32", 32, 8, false);

    /// <summary>Q5_1, Q5_K.</summary>
    public static PanelFormat Int8Min { get; } = Quantized("int8 g32 + min", 32, 8, true);

    /// <summary>Q3_K, Q6_K.</summary>
    public static PanelFormat Int8G16 { get; } = Quantized("int8 g16", 16, 8, false);

    /// <summary>Q2_K.</summary>
    public static PanelFormat Int8G16Min { get; } = Quantized("int8 g16 + min", 16, 8, true);

    /// <summary>Q4_0.</summary>
    public static PanelFormat Int4 { get; } = Quantized("int4 g32", 32, 4, false);

    /// <summary>Q4_1, Q4_K.</summary>
    public static PanelFormat Int4Min { get; } = Quantized("int4 g32 + min", 32, 4, true);

    public static IReadOnlyList<PanelFormat> All { get; } =
        [F32, F16, BF16, Int8, Int8Min, Int8G16, Int8G16Min, Int4, Int4Min];

    /// <summary>For logs.</summary>
    public string Name { get; }

    /// <summary>The left operand that its kernels read.</summary>
    public ActivationForm Activations { get; }

    /// <summary>Input columns of a block.</summary>
    public int BlockColumns { get; }

    /// <summary>Bytes of a block.</summary>
    public int BlockBytes { get; }

    /// <summary>Columns that share a scale; 0 for floating-point weights.</summary>
    public int GroupSize { get; private init; }

    /// <summary>Bits of a code, 4 or 8; 0 for floating-point weights.</summary>
    public int CodeBits { get; private init; }

    /// <summary>Whether groups have a min.</summary>
    public bool HasMin { get; private init; }

    public bool IsQuantized => CodeBits != 0;

    /// <summary>The code of weight 0 where there is no min. Unsigned codes are what <c>vpdpbusd</c>
    /// multiplies.</summary>
    public int CodeOffset => CodeBits == 8 ? 128 : HasMin ? 0 : 8;

    public int GroupsPerBlock => BlockColumns / GroupSize;

    public int LinesPerGroup => GroupSize / 4;

    /// <summary>Where the scales of the block's group stand in the block.</summary>
    public int ScaleOffset(int group) => LinesPerGroup * LineBytes + group * ScalesBytes;

    public int MinOffset(int group) => ScaleOffset(GroupsPerBlock + group);

    public int NumBlocks(int numColumns) => (numColumns + BlockColumns - 1) / BlockColumns;

    public long PanelBytes(int numColumns) => (long)NumBlocks(numColumns) * BlockBytes;

    static PanelFormat Quantized(string name, int groupSize, int codeBits, bool hasMin)
    {
        int groupsPerBlock = 8 / codeBits;
        int blockBytes = groupSize / 4 * LineBytes + groupsPerBlock * ScalesBytes * (hasMin ? 2 : 1);
        ActivationForm form = groupSize == 32 ? ActivationForm.Int8G32 : ActivationForm.Int8G16;
        return new(name, form, groupSize * groupsPerBlock, blockBytes)
        {
            GroupSize = groupSize,
            CodeBits = codeBits,
            HasMin = hasMin,
        };
    }
}
