using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>Writes keys and values to a cache of 8 bits. Each byte belongs to one token, so that workers may share the
/// tokens in any way, and nothing has to be cleared, as every code is finite.</summary>
static unsafe class KvCodeWriter
{
    /// <summary>Writes a step's keys and values.</summary>
    /// <param name="team">Shares the tokens when there are many.</param>
    /// <param name="k">F32 [numTokens, numKvHeads * headDim].</param>
    /// <param name="v">F32 [numTokens, numKvHeads * headDim].</param>
    /// <param name="cache">Where they go.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="metadata">Slots, which the caller has checked.</param>
    public static void Run(WorkerTeam team, Tensor k, Tensor v, PagedKvCache cache, int layer, AttentionMetadata metadata)
    {
        fixed (int* slots = metadata.SlotMapping)
        {
            var job = new Job { K = k, V = v, Slots = slots, NumTokens = metadata.NumTokens, Layer = layer, Cache = cache };
#pragma warning disable CS8500 // The job is on this stack, and so are its references, as long as the call lasts.
            RowWork.Run(team, metadata.NumTokens, k.NumColumns + v.NumColumns, &WriteRows, &job);
        }
    }

    struct Job
    {
        public Tensor K, V;
        public int* Slots;
        public int NumTokens, Layer;
        public PagedKvCache Cache;
    }

    static void WriteRows(void* state, int worker, int numWorkers)
    {
        var job = (Job*)state;
#pragma warning restore CS8500
        (int first, int end) = WorkerTeam.Share(job->NumTokens, worker, numWorkers);
        byte* codes = stackalloc byte[job->Cache.Dims];
        for (int token = first; token < end; token++)
            WriteToken(job->Cache, job->Layer, job->Slots[token], job->K.Float(token), job->V.Float(token), codes);
    }

    static void WriteToken(PagedKvCache cache, int layer, int slot, float* k, float* v, byte* codes)
    {
        int headDim = cache.Spec.HeadDim;
        (int block, int column) = Math.DivRem(slot, cache.Spec.BlockSize);
        byte* chunk = cache.Keys(layer, block);
        for (int head = 0; head < cache.Spec.NumKvHeads; head++, chunk += cache.ChunkBytes, k += headDim, v += headDim)
        {
            float scale = cache.Code!.Encode(new ReadOnlySpan<float>(k, headDim), new Span<byte>(codes, headDim));
            StoreKey(codes, headDim, chunk + column * 2, cache.Columns * 2);
            if (cache.Code.HasScales) cache.Scales(chunk)[column] = scale;

            scale = cache.Code.Encode(new ReadOnlySpan<float>(v, headDim), new Span<byte>(codes, headDim));
            StoreValue(codes, headDim, chunk + cache.ValuesOffset + (nint)(column / 2) * cache.Dims * 2 + column % 2);
            if (cache.Code.HasScales) cache.Scales(chunk)[cache.Columns + column] = scale;
        }
    }

    /// <summary>Down a column of pair rows.</summary>
    static void StoreKey(byte* codes, int num, byte* column, nint rowBytes)
    {
        for (int i = 0; i < num / 2; i++, column += rowBytes) *(ushort*)column = ((ushort*)codes)[i];
        if (num % 2 != 0) *column = codes[num - 1];
    }

    /// <summary>Every other byte of a pair row.</summary>
    static void StoreValue(byte* codes, int num, byte* row)
    {
        for (int i = 0; i < num; i++) row[2 * i] = codes[i];
    }
}
