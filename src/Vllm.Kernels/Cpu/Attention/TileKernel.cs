using System.Runtime.InteropServices;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// One step of attention with an online softmax: up to <see cref="MaxRows"/> query rows of one KV head against one
/// tile of <see cref="TileTokens"/> tokens. For every row, with s = q·Kᵀ over the tile's visible tokens:
/// <code>
/// m' = max(m, max s)  (or m, while no s exceeds it by more than 8)
/// p = 2^(s - m');  sums = sums 2^(m - m') + p;  output = output 2^(m - m') + p·V;  m = m'
/// </code>
/// No result bit of a row depends on the other rows of the call, nor on invisible tokens.
/// </summary>
abstract unsafe class TileKernel : IDisposable
{
    /// <summary>Tokens of a tile. Tiles start at multiples of it.</summary>
    public const int TileTokens = 64;

    /// <summary>Most rows of a call: 6 rows x 4 accumulators leave 8 of 32 registers for keys and queries.</summary>
    public const int MaxRows = 6;

    /// <summary>Most rows of a call that looks up codes of 8 bits itself. With more rows a decoded copy of the tile serves
    /// them all.</summary>
    public const int MaxRowsOfCodes = 4;

    /// <summary>Tokens with one pointer in <see cref="TileArguments"/>: what one 512-bit vector holds.</summary>
    public const int SubTokens = 16;

    /// <summary>Maximum of a row that has seen no token; far below any score, and far above <see cref="Masked"/>.</summary>
    public const float NoMaximum = -1e30f;

    /// <summary>Score of an invisible token.</summary>
    public const float Masked = -3e38f;

    /// <summary>Bytes of one packed query row.</summary>
    public abstract int QueryRowBytes { get; }

    /// <summary>Whether it takes codes of 8 bits, for up to <see cref="MaxRowsOfCodes"/> rows.</summary>
    public virtual bool ReadsCodes => false;

    /// <summary>Packs query rows: converted, times scale, padded with zeros to the stored dims.</summary>
    /// <param name="query">F32 [headDim].</param>
    /// <param name="headDim">Dims of the query.</param>
    /// <param name="scale">Factor that makes scores powers of two: the attention scale times log2(e).</param>
    /// <param name="packed"><see cref="QueryRowBytes"/>.</param>
    public abstract void PackQuery(float* query, int headDim, float scale, byte* packed);

    /// <summary>Does the step.</summary>
    /// <param name="arguments">Where everything is.</param>
    /// <param name="numRows">1 to <see cref="MaxRows"/>.</param>
    /// <param name="isMasked">Whether a token of the tile is invisible to a row: the visible ranges count.</param>
    /// <param name="prefetch">Which lines of the next tile to fetch meanwhile.</param>
    public abstract void Run(TileArguments* arguments, int numRows, bool isMasked, PrefetchLines prefetch);

    public virtual void Dispose() { }
}

/// <summary>What a tile kernel is made for.</summary>
/// <param name="DType">Element type of keys and values; of 8 bits only for kernels that look up codes.</param>
/// <param name="Dims">Stored dims per head, a multiple of 16.</param>
/// <param name="Columns">Stored tokens per block.</param>
/// <param name="Steps">What it does besides.</param>
readonly record struct TileShape(DType DType, int Dims, int Columns, TileSteps Steps);

/// <summary>Steps that not every attention has.</summary>
[Flags]
enum TileSteps
{
    None = 0,

    /// <summary>Scores times the scales of keys; weights, once they are in the sums, times those of values.</summary>
    Scales = 1,

    /// <summary>s = cap tanh(s / cap), after scales.</summary>
    SoftCap = 2,

    /// <summary>s = s - slope * distance, after the cap.</summary>
    Alibi = 4,
}

/// <summary>Lines of the next tile that a call prefetches; two row groups on one tile take a half each.</summary>
[Flags]
enum PrefetchLines
{
    None = 0,
    Even = 1,
    Odd = 2,
    All = Even | Odd,
}

/// <summary>What a tile kernel works on. Lives in native memory; emitted code reads it by field offset.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct TileArguments
{
    /// <summary>Packed queries, row after row.</summary>
    public byte* Queries;

    /// <summary>[numRows, dims] sums of p·V, updated.</summary>
    public float* Output;

    /// <summary>Running maxima and sums, updated.</summary>
    public SoftmaxState* Softmax;

    /// <summary>First key and value pair row of each 16 tokens.</summary>
    public fixed long Keys[4];
    public fixed long Values[4];

    /// <summary>The same of the next tile; read only when prefetching.</summary>
    public fixed long NextKeys[4];
    public fixed long NextValues[4];

    /// <summary>64 finite scales of the tile's keys, and of its values; of the next tile.</summary>
    public fixed long Scales[2];
    public fixed long NextScales[2];

    /// <summary>The cap, and 2 log2(e) / cap: tanh(s / cap) = (1 - 2^-x) / (1 + 2^-x) with x = s times that.</summary>
    public float SoftCap, SoftCapFactor;

    /// <summary>Of each row: its slope, and the tile's first position minus the row's.</summary>
    public fixed float AlibiSlopes[8];
    public fixed float AlibiOffsets[8];

    /// <summary>Visible tokens of each row, [first, end) within the tile. Only for masked calls.</summary>
    public fixed int FirstVisible[8];
    public fixed int EndVisible[8];

    /// <summary>Token pairs that hold the visible tokens of all rows, [first, end) of 32. Only for masked calls.</summary>
    public long FirstPair;
    public long EndPair;

    /// <summary>The next tile becomes the current one.</summary>
    public void MoveToNext()
    {
        for (int i = 0; i < 4; i++)
        {
            Keys[i] = NextKeys[i];
            Values[i] = NextValues[i];
        }
        for (int i = 0; i < 2; i++) Scales[i] = NextScales[i];
    }
}

/// <summary>Online-softmax state of a group of up to 6 rows. Sums are kept by lane until the end.</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct SoftmaxState
{
    /// <summary>Running maxima; the row's is at <see cref="MaximumIndex"/>.</summary>
    public fixed float Maxima[16];

    /// <summary>[row][lane] running sums.</summary>
    public fixed float Sums[TileKernel.MaxRows * 16];

    /// <summary>Rows 0-3 in lanes 0-3 and 4-7, rows 4-5 in lanes 8-9, ...: how the emitted reduction leaves maxima.</summary>
    public static int MaximumIndex(int row) => row < 4 ? row : row + 4;

    public void Reset()
    {
        for (int i = 0; i < 16; i++) Maxima[i] = TileKernel.NoMaximum;
        for (int i = 0; i < TileKernel.MaxRows * 16; i++) Sums[i] = 0;
    }

    /// <summary>Sum of a row's lanes in a fixed order.</summary>
    public readonly float Sum(int row)
    {
        float sum = 0;
        for (int lane = 0; lane < 4; lane++)
        {
            int i = row * 16 + lane;
            sum += Sums[i] + Sums[i + 8] + (Sums[i + 4] + Sums[i + 12]);
        }
        return sum;
    }
}
