using System.Runtime.CompilerServices;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.Simd;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Rope;

/// <summary>
/// Rotary embedding in halves (NeoX order) and the KV-cache write, fused: with h = rotaryDim / 2 and i &lt; h,
/// x[i] = x[i] cos[i] - x[i + h] sin[i] and x[i + h] = x[i + h] cos[i] + x[i] sin[i]; dims from rotaryDim on stay.
/// </summary>
static unsafe class RopeKernel
{
    /// <summary>The row bodies by vector width; <c>VLLM_KERNEL_ROPE</c> forces one.</summary>
    internal static KernelVariants<RowBodies> Variants { get; } = VectorWidths.Variants(
        "ROPE",
        new RowBodies(&Rows<Float512, BFloat16Element>, &Rows<Float512, Float32Element>, &RotateRows<Float512>),
        new RowBodies(&Rows<Float256, BFloat16Element>, &Rows<Float256, Float32Element>, &RotateRows<Float256>),
        new RowBodies(&Rows<Float128, BFloat16Element>, &Rows<Float128, Float32Element>, &RotateRows<Float128>),
        new RowBodies(&Rows<Float1, BFloat16Element>, &Rows<Float1, Float32Element>, &RotateRows<Float1>));

    /// <summary>The body for each element type of the cache, and the one that writes nothing.</summary>
    internal readonly struct RowBodies(
        delegate*<void*, int, int, void> bfloat16, delegate*<void*, int, int, void> float32,
        delegate*<void*, int, int, void> rotateOnly)
    {
        readonly delegate*<void*, int, int, void> _bfloat16 = bfloat16;
        readonly delegate*<void*, int, int, void> _float32 = float32;
        readonly delegate*<void*, int, int, void> _rotateOnly = rotateOnly;

        public delegate*<void*, int, int, void> For(DType dtype) => dtype switch
        {
            DType.BF16 => _bfloat16,
            DType.F32 => _float32,
            _ => _rotateOnly,
        };
    }

    /// <summary>Rotates queries and keys in place and writes keys and values to the cache.</summary>
    /// <param name="team">Shares the tokens when there are many.</param>
    /// <param name="q">F32 [numTokens, numHeads * headDim], rotated in place.</param>
    /// <param name="k">F32 [numTokens, numKvHeads * headDim], rotated in place.</param>
    /// <param name="v">F32 [numTokens, numKvHeads * headDim].</param>
    /// <param name="cosSin">F32 [maxPosition, rotaryDim]: rotaryDim / 2 cosines, then the sines.</param>
    /// <param name="cache">Where keys and values go.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="metadata">Positions and slots.</param>
    public static void Run(
        WorkerTeam team, Tensor q, Tensor k, Tensor v, Tensor cosSin, PagedKvCache cache, int layer,
        AttentionMetadata metadata) =>
        Run(team, q, k, v, cosSin, cache, layer, metadata, Variants.Chosen.Kernel);

    internal static void Run(
        WorkerTeam team, Tensor q, Tensor k, Tensor v, Tensor cosSin, PagedKvCache cache, int layer,
        AttentionMetadata metadata, RowBodies variant)
    {
        KvCacheSpec spec = cache.Spec;
        int numTokens = metadata.NumTokens, kvWidth = spec.NumKvHeads * spec.HeadDim;
        q.RequireF32(numTokens, q.NumColumns);
        k.RequireF32(numTokens, kvWidth);
        v.RequireF32(numTokens, kvWidth);
        cosSin.RequireF32(cosSin.NumRows, cosSin.NumColumns);
        if (q.NumColumns % spec.HeadDim != 0)
            throw new ArgumentException($"q is {q}: not a multiple of the head dim {spec.HeadDim}", nameof(q));
        if (cosSin.NumColumns > spec.HeadDim || cosSin.NumColumns % 2 != 0)
            throw new ArgumentException($"cosSin is {cosSin}: expected at most {spec.HeadDim} columns, even", nameof(cosSin));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)layer, (uint)spec.NumLayers, nameof(layer));
        long numSlots = (long)spec.NumBlocks * spec.BlockSize;
        for (int token = 0; token < numTokens; token++)
        {
            int position = metadata.Positions[token], slot = metadata.SlotMapping[token];
            if ((uint)position >= (uint)cosSin.NumRows || (uint)slot >= numSlots)
                throw new ArgumentException(
                    $"token {token}: position {position} of {cosSin.NumRows}, slot {slot} of {numSlots}", nameof(metadata));
        }

        fixed (int* positions = metadata.Positions, slots = metadata.SlotMapping)
        {
            var job = new Job
            {
                Q = q,
                K = k,
                V = v,
                CosSin = cosSin,
                NumTokens = numTokens,
                HeadDim = spec.HeadDim,
                NumKvHeads = spec.NumKvHeads,
                Positions = positions,
                Slots = slots,
                BlockSize = spec.BlockSize,
                Dims = cache.Dims,
                Columns = cache.Columns,
                Keys = cache.Keys(layer, 0),
                ChunkBytes = cache.ChunkBytes,
                ValuesOffset = cache.ValuesOffset,
            };
            RowWork.Run(team, numTokens, q.NumColumns + 2 * kvWidth, variant.For(spec.DType), &job);
        }
        if (cache.Code is not null) KvCodeWriter.Run(team, k, v, cache, layer, metadata);
    }

    struct Job
    {
        public Tensor Q, K, V, CosSin;
        public int NumTokens, HeadDim, NumKvHeads;
        public int* Positions, Slots;
        public int BlockSize, Dims, Columns;
        public byte* Keys;
        public nint ChunkBytes, ValuesOffset;

        /// <summary>Keys of the first head of a slot's block, and the slot's column there.</summary>
        public readonly byte* Block(int slot, out int column)
        {
            (int block, column) = Math.DivRem(slot, BlockSize);
            return Keys + (nint)block * NumKvHeads * ChunkBytes;
        }
    }

    static void Rows<TVector, TElement>(void* state, int worker, int numWorkers)
        where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
    {
        var job = (Job*)state;
        (int first, int end) = WorkerTeam.Share(job->NumTokens, worker, numWorkers);
        for (int token = first; token < end; token++)
        {
            float* cos = job->CosSin.Float(job->Positions[token]);
            float* k = job->K.Float(token);
            RotateHeads<TVector>(job->Q.Float(token), job->Q.NumColumns, job->HeadDim, cos, job->CosSin.NumColumns / 2);
            RotateHeads<TVector>(k, job->K.NumColumns, job->HeadDim, cos, job->CosSin.NumColumns / 2);
            WriteKeys<TVector, TElement>(job, token, k);
            WriteValues<TVector, TElement>(job, token);
        }
    }

    /// <summary>Rotation without the write, for caches of 8 bits (<see cref="KvCodeWriter"/>).</summary>
    static void RotateRows<TVector>(void* state, int worker, int numWorkers) where TVector : unmanaged, IFloatVector<TVector>
    {
        var job = (Job*)state;
        (int first, int end) = WorkerTeam.Share(job->NumTokens, worker, numWorkers);
        for (int token = first; token < end; token++)
        {
            float* cos = job->CosSin.Float(job->Positions[token]);
            RotateHeads<TVector>(job->Q.Float(token), job->Q.NumColumns, job->HeadDim, cos, job->CosSin.NumColumns / 2);
            RotateHeads<TVector>(job->K.Float(token), job->K.NumColumns, job->HeadDim, cos, job->CosSin.NumColumns / 2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void RotateHeads<TVector>(float* x, int width, int headDim, float* cos, int half)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        for (float* end = x + width; x < end; x += headDim)
        {
            int i = 0;
            for (; i <= half - TVector.Width; i += TVector.Width) Rotate<TVector>(x + i, cos + i, half);
            for (; i < half; i++) Rotate<Float1>(x + i, cos + i, half);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Rotate<TVector>(float* x, float* cosine, int half) where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector low = TVector.Load(x), high = TVector.Load(x + half);
        TVector cos = TVector.Load(cosine), sin = TVector.Load(cosine + half);
        TVector.FusedMultiplyAdd(low, cos, TVector.Zero - high * sin).Store(x);
        TVector.FusedMultiplyAdd(high, cos, low * sin).Store(x + half);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WriteKeys<TVector, TElement>(Job* job, int token, float* k)
        where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
    {
        byte* keys = job->Block(job->Slots[token], out int column) + column * 4;
        for (int head = 0; head < job->NumKvHeads; head++)
            TElement.StoreColumn<TVector>(
                k + head * job->HeadDim, job->HeadDim, keys + head * job->ChunkBytes, job->Columns);
    }

    /// <summary>
    /// Writes a token's values. The two tokens of a pair row share words, and their rows of the step may belong to
    /// different workers. So the even token writes both if its odd neighbour is in the step, and then nobody else
    /// touches the words; else it clears the neighbour. An odd token alone keeps what is there of the even one.
    /// </summary>
    static void WriteValues<TVector, TElement>(Job* job, int token)
        where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
    {
        byte* keys = job->Block(job->Slots[token], out int column);
        bool isOdd = column % 2 != 0;
        if (isOdd && token > 0 && job->Slots[token - 1] == job->Slots[token] - 1) return;
        bool hasNext = !isOdd && column + 1 < job->BlockSize && token + 1 < job->NumTokens
            && job->Slots[token + 1] == job->Slots[token] + 1;

        float* v = job->V.Float(token);
        float* next = hasNext ? job->V.Float(token + 1) : null;
        nint rowBytes = TElement.PairRowBytes(job->Dims);
        byte* values = keys + job->ValuesOffset + column / 2 * rowBytes;
        for (int head = 0; head < job->NumKvHeads; head++)
        {
            float* even = isOdd ? null : v + head * job->HeadDim;
            float* odd = isOdd ? v + head * job->HeadDim : hasNext ? next + head * job->HeadDim : null;
            WritePairRow<TVector, TElement>(even, odd, values + head * job->ChunkBytes, job->HeadDim, job->Dims);
        }
    }

    /// <summary>Writes one pair row. No even value: keeps the stored one. No odd value: writes 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void WritePairRow<TVector, TElement>(float* even, float* odd, byte* row, int headDim, int dims)
        where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
    {
        int d = 0;
        for (; d <= headDim - TVector.Width; d += TVector.Width)
            WritePairs<TVector, TElement>(even, odd, d, row, dims);
        for (; d < headDim; d++) WritePairs<Float1, TElement>(even, odd, d, row, dims);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void WritePairs<TVector, TElement>(float* even, float* odd, int d, byte* row, int dims)
        where TVector : unmanaged, IFloatVector<TVector> where TElement : IKvElement
    {
        byte* column = row + (nint)d * 4;
        TVector high = odd == null ? TVector.Zero : TVector.Load(odd + d);
        TVector low;
        if (even != null) low = TVector.Load(even + d);
        else TElement.LoadPairs(column, dims, out low, out TVector _);
        TElement.StorePairs(column, dims, low, high);
    }
}
