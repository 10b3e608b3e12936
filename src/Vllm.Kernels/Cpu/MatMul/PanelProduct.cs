namespace Vllm.Kernels.Cpu.MatMul;

/// <summary>A stretch of work for one worker: rows of activations by whole panels of one group.
/// Y[m][32 p + c] = sum over k of X[m][k] * W[p][k][c].</summary>
unsafe struct PanelProduct
{
    /// <summary>[NumRows], in the format's <see cref="ActivationForm"/>.</summary>
    public byte* X;
    public nint XStrideBytes;
    public int NumRows;

    /// <summary>[NumPanels][NumBlocks][BlockBytes].</summary>
    public byte* W;
    public int NumPanels;
    public int NumBlocks;

    /// <summary>[NumRows][NumPanels * 32].</summary>
    public float* Y;
    public nint YStrideBytes;

    /// <summary>What else may be prefetched meanwhile, or null.</summary>
    public ReadAheadCursor* ReadAhead;

    public readonly byte* XRow(int row) => X + row * XStrideBytes;

    public readonly float* YRow(int row) => (float*)((byte*)Y + row * YStrideBytes);
}
