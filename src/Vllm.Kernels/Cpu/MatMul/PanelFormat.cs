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
/// [32] fp16 super-scales          if any: scale = super-scale * int8
/// [32] fp16 super-mins            if any: min = super-min * int8
/// [parts]                         a part covers <see cref="PartColumns"/> columns
///   [lines][32][4] codes          a line: 4 columns of 32 outputs; <see cref="CodeLine"/> says which bits are whose
///   [groups][32] scales           fp16; int8 under super-scales
///   [groups][32] mins             the same, if any
/// </code>
/// So all scales are exactly those of the file: products of fp16 and int8 are exact in fp32.
/// </remarks>
sealed class PanelFormat
{
    /// <summary>Outputs of a panel: two 512-bit vectors of fp32.</summary>
    public const int PanelColumns = 32;

    /// <summary>Bytes of four codes, or of one fp32, for each output of a panel.</summary>
    public const int LineBytes = PanelColumns * 4;

    /// <summary>Bytes of one fp16 for each output of a panel.</summary>
    public const int HalvesBytes = PanelColumns * 2;

    /// <summary>Where the super-mins stand in the block.</summary>
    public const int SuperMinOffset = HalvesBytes;

    const int PartsUnderSuperScales = 4;

    PanelFormat(string name, ActivationForm activations, int blockColumns, int blockBytes)
    {
        Name = name;
        Activations = activations;
        BlockColumns = PartColumns = blockColumns;
        BlockBytes = PartBytes = blockBytes;
    }

    /// <summary>[K][32].</summary>
    public static PanelFormat F32 { get; } = new("fp32", ActivationForm.F32, 1, LineBytes);

    /// <summary>[K][32], widened in the kernel.</summary>
    public static PanelFormat F16 { get; } = new("fp16", ActivationForm.F32, 1, HalvesBytes);

    /// <summary>[K / 2][32][2], in blocks of 8 columns.</summary>
    public static PanelFormat BF16 { get; } = new("bf16", ActivationForm.BF16, 8, 4 * LineBytes);

    /// <summary>Q8_0, IQ4_NL, IQ4_XS.</summary>
    public static PanelFormat Int8 { get; } = Quantized("int8 g32", 32, 8, 0);

    /// <summary>Q5_0.</summary>
    public static PanelFormat Int5 { get; } = Quantized("int5 g32", 32, 4, 1);

    /// <summary>Q5_1.</summary>
    public static PanelFormat Int5Min { get; } = Quantized("int5 g32 + min", 32, 4, 1, hasMin: true);

    /// <summary>Q4_0.</summary>
    public static PanelFormat Int4 { get; } = Quantized("int4 g32", 32, 4, 0);

    /// <summary>Q4_1.</summary>
    public static PanelFormat Int4Min { get; } = Quantized("int4 g32 + min", 32, 4, 0, hasMin: true);

    /// <summary>Q6_K.</summary>
    public static PanelFormat Int6K { get; } = Quantized("int6 g16/256", 16, 4, 2, hasSuperScales: true);

    /// <summary>Q5_K.</summary>
    public static PanelFormat Int5K { get; } =
        Quantized("int5 g32/256 + min", 32, 4, 1, hasMin: true, hasSuperScales: true);

    /// <summary>Q4_K.</summary>
    public static PanelFormat Int4K { get; } =
        Quantized("int4 g32/256 + min", 32, 4, 0, hasMin: true, hasSuperScales: true);

    /// <summary>Q3_K.</summary>
    public static PanelFormat Int3K { get; } = Quantized("int3 g16/256", 16, 2, 1, hasSuperScales: true);

    /// <summary>Q2_K.</summary>
    public static PanelFormat Int2K { get; } =
        Quantized("int2 g16/256 + min", 16, 2, 0, hasMin: true, hasSuperScales: true);

    public static IReadOnlyList<PanelFormat> All { get; } =
        [F32, F16, BF16, Int8, Int5, Int5Min, Int4, Int4Min, Int6K, Int5K, Int4K, Int3K, Int2K];

    /// <summary>For logs.</summary>
    public string Name { get; }

    /// <summary>The left operand that its kernels read.</summary>
    public ActivationForm Activations { get; }

    /// <summary>Input columns of a block.</summary>
    public int BlockColumns { get; }

    /// <summary>Bytes of a block.</summary>
    public int BlockBytes { get; }

    /// <summary>Where the codes of each four columns of a part stand; empty for floating-point weights.</summary>
    public CodeLine[] CodeLines { get; private init; } = [];

    /// <summary>Columns that share a scale; 0 for floating-point weights.</summary>
    public int GroupSize { get; private init; }

    /// <summary>Bits of a code; 0 for floating-point weights.</summary>
    public int CodeBits { get; private init; }

    /// <summary>Whether groups have a min.</summary>
    public bool HasMin { get; private init; }

    /// <summary>Whether the block has fp16 super-scales over int8 ones.</summary>
    public bool HasSuperScales { get; private init; }

    public bool IsQuantized => CodeBits != 0;

    /// <summary>The code of weight 0 where there is no min. Unsigned codes are what <c>vpdpbusd</c>
    /// multiplies.</summary>
    public int CodeOffset => HasMin ? 0 : 1 << (CodeBits - 1);

    public int PartsPerBlock => HasSuperScales ? PartsUnderSuperScales : 1;

    public int PartColumns { get; private init; }

    /// <summary>Bytes of a part.</summary>
    public int PartBytes { get; private init; }

    /// <summary>Bytes of super-scales and super-mins, with which a block begins.</summary>
    public int SuperBytes => HasSuperScales ? SuperMinOffset + (HasMin ? HalvesBytes : 0) : 0;


    public int GroupsPerPart { get; private init; }

    public int LinesPerGroup => GroupSize / 4;

    /// <summary>Bytes of a scale for each output of a panel.</summary>
    public int ScalesBytes => HasSuperScales ? PanelColumns : HalvesBytes;

    /// <summary>Where the scales of the part's group stand in the part.</summary>
    public int ScaleOffset(int group) => PartColumns * CodeBits * (PanelColumns / 8) + group * ScalesBytes;

    public int MinOffset(int group) => ScaleOffset(GroupsPerPart + group);

    public int NumBlocks(int numColumns) => (numColumns + BlockColumns - 1) / BlockColumns;

    public long PanelBytes(int numColumns) => (long)NumBlocks(numColumns) * BlockBytes;

    static PanelFormat Quantized(
        string name, int groupSize, int baseBits, int extraBits, bool hasMin = false, bool hasSuperScales = false)
    {
        int numLines = baseBits == 8 ? 8 : 16, partColumns = 4 * numLines;
        int scalesBytes = (hasSuperScales ? PanelColumns : HalvesBytes) * (hasMin ? 2 : 1);
        int partBytes = partColumns * (baseBits + extraBits) * PanelColumns / 8 + partColumns / groupSize * scalesBytes;
        int numParts = hasSuperScales ? PartsUnderSuperScales : 1;
        int blockBytes = numParts * partBytes + (hasSuperScales ? 2 * scalesBytes : 0);
        ActivationForm form = groupSize == 32 ? ActivationForm.Int8G32 : ActivationForm.Int8G16;
        return new(name, form, numParts * partColumns, blockBytes)
        {
            PartColumns = partColumns,
            PartBytes = partBytes,
            CodeLines = CodeLine.OfPart(numLines, baseBits, extraBits),
            GroupSize = groupSize,
            GroupsPerPart = partColumns / groupSize,
            CodeBits = baseBits + extraBits,
            HasMin = hasMin,
            HasSuperScales = hasSuperScales,
        };
    }
}
