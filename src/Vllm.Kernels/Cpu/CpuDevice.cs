using Vllm.Kernels.Cpu.Activations;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Norm;
using Vllm.Kernels.Cpu.Rope;
using Vllm.Kernels.Cpu.Sampling;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Kernels.Cpu;

/// <summary>The CPU: each operation goes to its kernel, split over a <see cref="WorkerTeam"/>. Operations finish before
/// they return.</summary>
public sealed class CpuDevice : Device
{
    readonly List<NativeBuffer> _buffers = [];
    readonly NativeArena _weights = new();
    readonly WorkerTeam _team;
    readonly MatMulKernel _matMul;
    readonly AttentionKernel _attention;
    readonly KvBlockCopier _copier;

    readonly Action<int> _runShare;
    Action<int, int>? _body;
    int _numItems;

    /// <param name="numThreads">Threads, the caller's included; 0 = one per physical core.</param>
    public CpuDevice(int numThreads = 0)
    {
        _team = new WorkerTeam(numThreads > 0 ? numThreads : Topology.NumPhysicalCores);
        _matMul = new MatMulKernel(_team);
        _attention = new AttentionKernel(_team);
        _copier = new KvBlockCopier(_team);
        _runShare = RunShare;
        // A kernel named by the environment that this machine cannot run is refused here, not in the first step.
        _ = (RmsNormKernel.Variants.Chosen, RopeKernel.Variants.Chosen, GatedActivationKernel.Variants.Chosen);
    }

    /// <summary>Cores that the process may use; as many threads as a device has by default.</summary>
    public static int NumPhysicalCores => Topology.NumPhysicalCores;

    public override string Name => $"CPU ({_team.NumWorkers} threads, {_matMul.VariantName(PanelFormat.Int8)})";

    /// <summary>Which implementation of each operation runs here, and why.</summary>
    public IReadOnlyList<KernelChoice> KernelChoices =>
    [
        .. _matMul.Choices, AttentionKernel.Variants.Choice, RmsNormKernel.Variants.Choice, RopeKernel.Variants.Choice,
        GatedActivationKernel.Variants.Choice, SamplingKernels.Choice,
    ];

    public override Tensor Allocate(DType dtype, int numRows, int numColumns)
    {
        var buffer = new NativeBuffer((long)numRows * numColumns * dtype.SizeBytes());
        _buffers.Add(buffer);
        return new Tensor(buffer.Address, dtype, numRows, numColumns, numColumns);
    }

    public override Weight CreateWeight(IReadOnlyList<StoredMatrix> parts, ReadOnlySpan<float> bias, DType dtype) =>
        PackedWeight.Create(_team, parts, bias, dtype, _weights);

    public override KvCache CreateKvCache(KvCacheSpec spec) => new PagedKvCache(spec);

    public override HostKvCache CreateHostKvCache(HostKvCacheSpec spec) => new PagedHostKvCache(spec);

    public override void StoreBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        _copier.Store((PagedKvCache)cache, (PagedHostKvCache)host, copies);

    public override void LoadBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        _copier.Load((PagedKvCache)cache, (PagedHostKvCache)host, copies);

    public override void BeginStep() => _team.BeginStep();

    public override void EndStep()
    {
        // Operations finish before they return.
    }

    public override void Embed(ReadOnlySpan<int> tokenIds, Weight table, Tensor output) =>
        ((PackedWeight)table).GatherRows(tokenIds, output);

    public override void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output) =>
        RmsNormKernel.Run(_team, x, weight, eps, output);

    public override void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float eps, Tensor output) =>
        RmsNormKernel.RunAdd(_team, x, residual, weight, eps, output);

    public override void Linear(Tensor x, Weight weight, Tensor output) =>
        _matMul.Run(x, (PackedWeight)weight, output);

    public override void RotaryAndCache(
        Tensor q, Tensor k, Tensor v, Tensor cosSin, KvCache cache, int layer, AttentionMetadata metadata) =>
        RopeKernel.Run(_team, q, k, v, cosSin, (PagedKvCache)cache, layer, metadata);

    public override void Attention(
        Tensor q, KvCache cache, int layer, AttentionMetadata metadata, AttentionParameters parameters, Tensor output)
    {
        _attention.Run(q, (PagedKvCache)cache, layer, metadata, parameters, output);
        KvReadAhead.List(_matMul.ReadAhead, (PagedKvCache)cache, layer + 1, metadata, parameters.Window);
    }

    public override void GatedActivation(Tensor gateUp, Activation activation, Tensor output) =>
        GatedActivationKernel.Run(_team, gateUp, activation, output);

    public override void GatherRows(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        for (int i = 0; i < rows.Length; i++) x.Row<float>(rows[i]).CopyTo(output.Row<float>(i));
    }

    public override int NumWorkers => _team.NumWorkers;

    public override void ParallelFor(int num, Action<int, int> body)
    {
        _body = body;
        _numItems = num;
        _team.ParallelFor(_team.NumWorkers, _runShare);
    }

    void RunShare(int worker)
    {
        (int first, int end) = WorkerTeam.Share(_numItems, worker, _team.NumWorkers);
        for (int i = first; i < end; i++) _body!(i, worker);
    }

    public override void Dispose()
    {
        _attention.Dispose();
        _matMul.Dispose();
        _team.Dispose();
        _weights.Dispose();
        foreach (NativeBuffer buffer in _buffers) buffer.Dispose();
    }
}
