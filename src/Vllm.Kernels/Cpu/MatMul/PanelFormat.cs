namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>What a kernel reads as its left operand.</summary>
enum ActivationForm
{
    /// <summary>The tensor itself.</summary>
    F32,

    /// <summary>Rounded to bfloat16.</summary>
    BF16,

    /// <summary>int8 with a scale per 32 columns.</summary>
    Int8G32,

    /// <summary>int8 with a scale per 16 columns.</summary>
    Int8G16,
}

/// <summary>
/// How a matrix [N, K] is packed: in panels of 32 outputs, one after the other, each a run of blocks along K. A block
/// covers <see cref="BlockColumns"/> of the K input columns, starts at a multiple of 64 bytes and holds all that a
/// kernel needs for them, so that a panel is one sequential stream. N is padded to 32 and K to whole blocks by zeros.
/// Quantized weights are w = scale * code + min per group of <see cref="GroupSize"/> columns.
/// </summary>
/// <param name="Name">For logs.</param>
/// <param name="Activations">The left operand that its kernels read.</param>
/// <param name="BlockColumns">Input columns of a block.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
/// <param name="GroupSize">Columns that share a scale; 0 for floating-point weights.</param>
/// <param name="CodeBits">Bits of a code; 0 for floating-point weights.</param>
/// <param name="HasMin">Whether groups have a min.</param>
sealed record PanelFormat(
    string Name, ActivationForm Activations, int BlockColumns, int BlockBytes, int GroupSize, int CodeBits, bool HasMin)
{
    /// <summary>Outputs of a panel: two 512-bit vectors of fp32.</summary>
    public const int PanelColumns = 32;

    /// <summary>Bytes from one row of 32 columns by 4 bytes to the next, in every block.</summary>
    public const int LineBytes = 128;

    /// <summary>[K][32] fp32.</summary>
    public static PanelFormat F32 { get; } = new("fp32", ActivationForm.F32, 1, 128, 0, 0, false);

    public static IReadOnlyList<PanelFormat> All { get; } = [F32];

    public int NumBlocks(int numColumns) => (numColumns + BlockColumns - 1) / BlockColumns;

    public long PanelBytes(int numColumns) => (long)NumBlocks(numColumns) * BlockBytes;
}
