using Vllm.Kernels.Formats;

namespace Vllm.Kernels;

/// <summary>Activation of a gated MLP.</summary>
public enum Activation
{
    /// <summary>x * sigmoid(x).</summary>
    Silu,

    /// <summary>Gelu by the error function.</summary>
    Gelu,

    /// <summary>Gelu by tanh (<c>gelu_pytorch_tanh</c>, <c>gelu_new</c>).</summary>
    GeluTanh,
}

/// <summary>
/// Where a model runs: the one polymorphic seam. Architectures call these operations in order on one thread; results
/// may be read after <see cref="EndStep"/>. Activations are F32 tensors [numTokens, width].
/// No result bit of a row may depend on the other rows, on how many there are, or on the number of threads.
/// </summary>
public abstract class Device : IDisposable
{
    /// <summary>For logs: "CPU (2 threads, AVX-512)".</summary>
    public abstract string Name { get; }

    /// <summary>Allocates a zeroed tensor that lives as long as the device.</summary>
    public abstract Tensor Allocate(DType dtype, int numRows, int numColumns);

    /// <summary>Packs a matrix, or several over the same input stacked by rows (q, k and v; gate and up), for
    /// <see cref="Linear"/> and <see cref="Embed"/>. <see cref="DType.F32"/> computes on exactly dequantized values in
    /// fp32; the other dtypes keep quantized files quantized.</summary>
    /// <param name="parts">Matrices with equal numbers of columns.</param>
    /// <param name="bias">Added to the product, [sum of rows], or empty.</param>
    /// <param name="dtype">Compute type.</param>
    public abstract Weight CreateWeight(IReadOnlyList<StoredMatrix> parts, ReadOnlySpan<float> bias, DType dtype);

    public abstract KvCache CreateKvCache(KvCacheSpec spec);

    /// <summary>Makes room in the host's memory for blocks of a cache.</summary>
    public abstract HostKvCache CreateHostKvCache(HostKvCacheSpec spec);

    /// <summary>Copies blocks to the host, in order: of two copies to one place the later stays.</summary>
    public abstract void StoreBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies);

    /// <summary>Copies blocks back from the host.</summary>
    public abstract void LoadBlocks(KvCache cache, HostKvCache host, ReadOnlySpan<KvBlockCopy> copies);

    /// <summary>Starts a step: workers come awake.</summary>
    public abstract void BeginStep();

    /// <summary>Ends a step: everything issued is done.</summary>
    public abstract void EndStep();

    /// <summary>output[t] = row tokenIds[t] of the table. output: [numTokens, NumInputs].</summary>
    public abstract void Embed(ReadOnlySpan<int> tokenIds, Weight table, Tensor output);

    /// <summary>output = x / sqrt(mean(x²) + eps) * weight, per row. weight: [1, width]. output may be x.</summary>
    public abstract void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output);

    /// <summary>residual += x; output = RmsNorm(residual). output may be x.</summary>
    public abstract void AddRmsNorm(Tensor x, Tensor residual, Tensor weight, float eps, Tensor output);

    /// <summary>output = x · weightᵀ + bias. x: [numTokens, NumInputs], output: [numTokens, NumOutputs], not x.</summary>
    public abstract void Linear(Tensor x, Weight weight, Tensor output);

    /// <summary>Rotates queries and keys in place (halves, NeoX order) and writes keys and values to the cache.</summary>
    /// <param name="q">[numTokens, numHeads * headDim], rotated in place.</param>
    /// <param name="k">[numTokens, numKvHeads * headDim], rotated in place.</param>
    /// <param name="v">[numTokens, numKvHeads * headDim].</param>
    /// <param name="cosSin">[maxPosition, rotaryDim]: cosines of the rotaryDim / 2 frequencies, then the sines.</param>
    /// <param name="cache">Where keys and values go.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="metadata">Positions and slots.</param>
    public abstract void RotaryAndCache(
        Tensor q, Tensor k, Tensor v, Tensor cosSin, KvCache cache, int layer, AttentionMetadata metadata);

    /// <summary>Causal attention of the step's queries over the cached keys and values of their requests.</summary>
    /// <param name="q">[numTokens, numHeads * headDim].</param>
    /// <param name="cache">Keys and values, this step's included.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="metadata">Requests and their blocks.</param>
    /// <param name="parameters">What happens to the scores.</param>
    /// <param name="output">[numTokens, numHeads * headDim], not q.</param>
    public abstract void Attention(
        Tensor q, KvCache cache, int layer, AttentionMetadata metadata, AttentionParameters parameters, Tensor output);

    /// <summary>output = activation(gate) * up. gateUp: [numTokens, 2 * width], gate first. output: [numTokens, width].</summary>
    public abstract void GatedActivation(Tensor gateUp, Activation activation, Tensor output);

    /// <summary>output[i] = x[rows[i]].</summary>
    public abstract void GatherRows(Tensor x, ReadOnlySpan<int> rows, Tensor output);

    /// <summary>Threads that <see cref="ParallelFor"/> spreads work over.</summary>
    public abstract int NumWorkers { get; }

    /// <summary>Runs body(i, worker) for i in [0, num) on the device's host workers; for per-row work such as sampling.
    /// Calls that run at the same time have different workers.</summary>
    public abstract void ParallelFor(int num, Action<int, int> body);

    public abstract void Dispose();
}
