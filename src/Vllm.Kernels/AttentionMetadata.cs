namespace Vllm.Kernels;

/// <summary>Where the tokens of a step stand: which request, which position, which cache blocks. Built once per step
/// by the model runner and read by every layer. Arrays are sized once and reused; only the first entries count.</summary>
public sealed class AttentionMetadata(int maxNumSeqs, int maxNumTokens, int maxBlocksPerSeq)
{
    /// <summary>Requests of the step.</summary>
    public int NumSeqs { get; set; }

    /// <summary>Tokens of the step.</summary>
    public int NumTokens { get; set; }

    /// <summary>First row of each request's tokens, and the end. [maxNumSeqs + 1]</summary>
    public int[] QueryStart { get; } = new int[maxNumSeqs + 1];

    /// <summary>Tokens of each request in the cache after this step. [maxNumSeqs]</summary>
    public int[] SeqLens { get; } = new int[maxNumSeqs];

    /// <summary>Absolute position of each token. [maxNumTokens]</summary>
    public int[] Positions { get; } = new int[maxNumTokens];

    /// <summary>Cache slot that each token's key and value go to: block * blockSize + offset. [maxNumTokens]</summary>
    public int[] SlotMapping { get; } = new int[maxNumTokens];

    /// <summary>Block ids of each request in order of position. [maxNumSeqs, MaxBlocksPerSeq]</summary>
    public int[] BlockTables { get; } = new int[checked(maxNumSeqs * maxBlocksPerSeq)];

    /// <summary>Row length of <see cref="BlockTables"/>.</summary>
    public int MaxBlocksPerSeq { get; } = maxBlocksPerSeq;
}
