using System.Diagnostics;
using Vllm.Kernels;
using Vllm.Kernels.Formats;

namespace Vllm.Micro;

/// <summary>A device that adds up the time of each operation: the CPU's finish before they return.</summary>
sealed class TimedDevice(Device inner) : Device
{
    readonly Dictionary<string, double> _seconds = [];

    /// <summary>What a product is for, by its shape.</summary>
    public Dictionary<(int NumOutputs, int NumInputs), string> Products { get; } = [];

    /// <summary>Seconds by operation since the last call.</summary>
    public Dictionary<string, double> Take()
    {
        Dictionary<string, double> taken = new(_seconds);
        _seconds.Clear();
        return taken;
    }

    void Add(string operation, long start) => _seconds[operation] =
        _seconds.GetValueOrDefault(operation) + Stopwatch.GetElapsedTime(start).TotalSeconds;

    public override string Name => inner.Name;

    public override Tensor Allocate(DType dtype, int numRows, int numColumns) => inner.Allocate(dtype, numRows, numColumns);

    public override Weight CreateWeight(IReadOnlyList<StoredMatrix> parts, ReadOnlySpan<float> bias, DType dtype) =>
        inner.CreateWeight(parts, bias, dtype);

    public override KvCache CreateKvCache(KvCacheSpec spec) => inner.CreateKvCache(spec);

    public override HostKvCache CreateHostKvCache(HostKvCacheSpec spec) => inner.CreateHostKvCache(spec);

    public override void StoreBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        inner.StoreBlocks(cache, host, copies);

    public override void LoadBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies) =>
        inner.LoadBlocks(cache, host, copies);

    public override void BeginStep() => inner.BeginStep();

    public override void EndStep() => inner.EndStep();

    public override void Embed(ReadOnlySpan<int> tokenIds, Weight table, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Embed(tokenIds, table, output);
        Add("embedding", start);
    }

    public override void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RmsNorm(x, weight, eps, output);
        Add("norm", start);
    }

    public override void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float eps, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.AddRmsNorm(x, residual, weight, eps, output);
        Add("norm", start);
    }

    public override void Linear(Tensor x, Weight weight, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Linear(x, weight, output);
        Add("product " + Products.GetValueOrDefault((weight.NumOutputs, weight.NumInputs), "other"), start);
    }

    public override void RotaryAndCache(
        Tensor q, Tensor k, Tensor v, Tensor cosSin, KvCache cache, int layer, AttentionMetadata metadata)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RotaryAndCache(q, k, v, cosSin, cache, layer, metadata);
        Add("rotary and KV write", start);
    }

    public override void Attention(
        Tensor q, KvCache cache, int layer, AttentionMetadata metadata, AttentionParameters parameters, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attention(q, cache, layer, metadata, parameters, output);
        Add("attention", start);
    }

    public override void GatedActivation(Tensor gateUp, Activation activation, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.GatedActivation(gateUp, activation, output);
        Add("gated activation", start);
    }

    public override void GatherRows(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.GatherRows(x, rows, output);
        Add("gather", start);
    }

    public override int NumWorkers => inner.NumWorkers;

    public override void ParallelFor(int num, Action<int, int> body)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ParallelFor(num, body);
        Add("sampling", start);
    }

    public override void Dispose() => inner.Dispose();
}
