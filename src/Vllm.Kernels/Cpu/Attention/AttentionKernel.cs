using System.Runtime.Intrinsics.X86;
using Vllm.Kernels.Cpu.CodeGen;
using Vllm.Kernels.Cpu.Simd;
using Vllm.Kernels.Cpu.Threading;

namespace Vllm.Kernels.Cpu.Attention;

/// <summary>
/// Causal attention over a paged KV cache, for prefill chunks, decode steps and mixtures of both:
/// output = softmax(scale q·Kᵀ, visible tokens only) · V per token and query head, in one pass over keys and values;
/// see <see cref="AttentionParameters"/> for what else may happen to the scores.
/// <para>1. Check shapes. 2. Split into units (<see cref="AttentionPlan"/>). 3. Workers take units until none is left
/// (<see cref="AttentionWorker"/>), stepping through tiles with a <see cref="TileKernel"/>.</para>
/// For a given token the result has the same bits whatever else is in the step, however its prompt was cut into
/// chunks, wherever its blocks lie, and whichever worker does what: tiles and segments sit at absolute positions, and
/// every sum is a chain in the order of positions.
/// </summary>
public sealed unsafe class AttentionKernel : IDisposable
{
    readonly WorkerTeam _team;
    readonly AttentionPlan _plan = new();
    readonly AttentionWorker[] _workers;
    readonly Dictionary<TileShape, TileKernel> _kernels = [];
    AttentionJob _job;
    TileKernel _kernel = null!;
    TileKernel? _kernelOfCodes; // for units of few rows, where there is one
    int _nextUnit;

    readonly Func<TileShape, TileKernel> _createKernel;

    public AttentionKernel(WorkerTeam team) : this(team, Variants.Chosen.Kernel) { }

    internal AttentionKernel(WorkerTeam team, Func<TileShape, TileKernel> createKernel)
    {
        _team = team;
        _workers = new AttentionWorker[team.NumWorkers];
        for (int i = 0; i < _workers.Length; i++) _workers[i] = new AttentionWorker();
        _createKernel = createKernel;
    }

    /// <summary>Makers of the tile kernel; <c>VLLM_KERNEL_ATTENTION</c> forces one.</summary>
    internal static KernelVariants<Func<TileShape, TileKernel>> Variants { get; } = new(
        "ATTENTION",
        new("avx512_bf16", CpuFeatures.HasAvx512Bf16, EmittedForBFloat16),
        new("vector512", System.Runtime.Intrinsics.Vector512.IsHardwareAccelerated, Vector<Float512>),
        new("vector256", System.Runtime.Intrinsics.Vector256.IsHardwareAccelerated, Vector<Float256>),
        new("vector128", System.Runtime.Intrinsics.Vector128.IsHardwareAccelerated, Vector<Float128>),
        new("scalar", true, Vector<Float1>));

    static TileKernel EmittedForBFloat16(TileShape shape) =>
        shape.DType == DType.F32 ? Vector<Float512>(shape) : new EmittedTileKernel(shape);

    static TileKernel Vector<TVector>(TileShape shape)
        where TVector : unmanaged, IFloatVector<TVector> =>
        shape.DType == DType.BF16
            ? new VectorTileKernel<TVector, BFloat16Element>(shape)
            : new VectorTileKernel<TVector, Float32Element>(shape);

    /// <summary>Attends. Parameters as in <see cref="Device.Attention"/>.</summary>
    public void Run(
        Tensor q, PagedKvCache cache, int layer, AttentionMetadata metadata, AttentionParameters parameters, Tensor output)
    {
        // 1. Shapes.
        KvCacheSpec spec = cache.Spec;
        q.RequireF32(metadata.NumTokens, q.NumColumns);
        output.RequireF32(metadata.NumTokens, q.NumColumns);
        int numHeads = q.NumColumns / spec.HeadDim;
        if (numHeads * spec.HeadDim != q.NumColumns || numHeads % spec.NumKvHeads != 0)
            throw new ArgumentException(
                $"q is {q}: expected a multiple of {spec.NumKvHeads} heads of {spec.HeadDim}", nameof(q));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)layer, (uint)spec.NumLayers, nameof(layer));
        ArgumentOutOfRangeException.ThrowIfNegative(parameters.Window, nameof(parameters));
        ArgumentOutOfRangeException.ThrowIfNegative(parameters.SoftCap, nameof(parameters));
        parameters.AlibiSlopes?.RequireF32(1, numHeads);
        parameters.Sinks?.RequireF32(1, numHeads);
        for (int request = 0; request < metadata.NumSeqs; request++)
        {
            int numTokens = metadata.QueryStart[request + 1] - metadata.QueryStart[request];
            int seqLen = metadata.SeqLens[request];
            if (numTokens < 0 || seqLen < numTokens || seqLen > (long)metadata.MaxBlocksPerSeq * spec.BlockSize)
                throw new ArgumentException(
                    $"request {request}: {numTokens} tokens of {seqLen} in {metadata.MaxBlocksPerSeq} blocks", nameof(metadata));
            // Vectorized: 2 µs for 256 requests of 64 blocks.
            ReadOnlySpan<int> blocks = metadata.BlockTables.AsSpan(
                request * metadata.MaxBlocksPerSeq, (seqLen + spec.BlockSize - 1) / spec.BlockSize);
            int outside = blocks.IndexOfAnyExceptInRange(0, spec.NumBlocks - 1);
            if (outside >= 0)
                throw new ArgumentException(
                    $"request {request}: block {blocks[outside]} of {spec.NumBlocks} at place {outside}", nameof(metadata));
        }

        fixed (int* queryStart = metadata.QueryStart, seqLens = metadata.SeqLens, blockTables = metadata.BlockTables)
        {
            _job = new AttentionJob
            {
                Q = q,
                Output = output,
                QueryStart = queryStart,
                SeqLens = seqLens,
                BlockTables = blockTables,
                NumSeqs = metadata.NumSeqs,
                MaxBlocksPerSeq = metadata.MaxBlocksPerSeq,
                NumKvHeads = spec.NumKvHeads,
                GroupSize = numHeads / spec.NumKvHeads,
                HeadDim = spec.HeadDim,
                Dims = cache.Dims,
                BlockSize = spec.BlockSize,
                Columns = cache.Columns,
                ElementBytes = cache.Code is null ? spec.DType.SizeBytes() : sizeof(ushort),
                Keys = cache.Keys(layer, 0),
                ChunkBytes = cache.ChunkBytes,
                ValuesOffset = cache.ValuesOffset,
                Code = cache.Code,
                QueryScale = (float)(parameters.Scale * Math.Log2(Math.E)),
                SoftCap = (float)(parameters.SoftCap * Math.Log2(Math.E)),
                AlibiSlopes = parameters.AlibiSlopes is { } slopes ? slopes.Float(0) : null,
                Sinks = parameters.Sinks is { } sinks ? sinks.Float(0) : null,
                Window = parameters.Window == 0 ? int.MaxValue : parameters.Window,
            };

            // 2. Units.
            _kernel = KernelFor(_job.Code is null ? cache.Spec.DType : DType.BF16, cache, _job.IsCopied);
            _kernelOfCodes = CanReadCodes(cache) ? KernelFor(cache.Spec.DType, cache, isCopied: false) : null;
            foreach (AttentionWorker worker in _workers) worker.Reserve(_job, _kernel);
            _plan.Build(_job, _team.NumWorkers);
            _nextUnit = 0;

            // 3. Work.
            AttentionKernel self = this;
#pragma warning disable CS8500 // The pointer to a reference on this stack is valid as long as the call lasts.
            _team.Run(&RunWorker, &self);
        }
    }

    /// <summary>Whether there is a kernel for codes, and tiles lie in one block each.</summary>
    bool CanReadCodes(PagedKvCache cache) =>
        cache.Code is not null && _kernel is EmittedTileKernel && Avx512Vbmi.IsSupported
        && cache.Spec.BlockSize % TileKernel.TileTokens == 0;

    TileKernel KernelFor(DType dtype, PagedKvCache cache, bool isCopied)
    {
        var shape = new TileShape(
            dtype,
            cache.Dims,
            isCopied ? TileKernel.TileTokens : cache.Columns,
            (_job.Code is { HasScales: true } ? TileSteps.Scales : 0)
                | (_job.SoftCap > 0 ? TileSteps.SoftCap : 0)
                | (_job.AlibiSlopes != null ? TileSteps.Alibi : 0));
        if (!_kernels.TryGetValue(shape, out TileKernel? kernel))
        {
            kernel = _createKernel(shape);
            _kernels.Add(shape, kernel);
        }
        return kernel;
    }

    static void RunWorker(void* state, int worker, int numWorkers)
    {
        AttentionKernel self = *(AttentionKernel*)state;
#pragma warning restore CS8500
        // Units go to whoever is free: their results do not depend on who computes them.
        for (int i; (i = Interlocked.Increment(ref self._nextUnit) - 1) < self._plan.NumUnits;)
            self._workers[worker].Run(self._job, self._plan.Units[i], self.KernelFor(self._plan.Units[i].Rows.NumRows));
    }

    TileKernel KernelFor(int numRows) =>
        _kernelOfCodes is not null && numRows <= TileKernel.MaxRowsOfCodes ? _kernelOfCodes : _kernel;

    public void Dispose()
    {
        foreach (TileKernel kernel in _kernels.Values) kernel.Dispose();
        _plan.Dispose();
        foreach (AttentionWorker worker in _workers) worker.Dispose();
    }
}
