using Vllm.Kernels;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.Rope;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Memory;

namespace Vllm.Micro;

/// <summary>Attention of prompt chunks and of decode steps over contexts of many lengths: operations and bytes of keys and
/// values per second, and their share of what the machine does at most in the same minute.</summary>
static class AttentionBenchmark
{
    const int ChunkTokens = 512;
    const int BlockSize = 64;
    const int MaxNumLayers = 30;

    /// <summary>Layers are used in turn until they hold more than all caches do.</summary>
    const long ColdBytes = 192 << 20;

    static readonly int[] PrefillContexts = [0, 2048, 8192];
    static readonly (int NumSeqs, int Context)[] Decodes =
        [(1, 128), (1, 1024), (1, 4096), (8, 128), (8, 1024), (8, 4096), (32, 128), (32, 1024), (32, 4096)];

    /// <param name="shape">Query heads/KV heads x head dim: 9/3x64.</param>
    /// <param name="dtype">Element type of the cache.</param>
    /// <param name="numThreads">Threads.</param>
    public static void Run(string shape, DType dtype, int numThreads)
    {
        int[] numbers = [.. shape.Split('/', 'x').Select(int.Parse)];
        using var team = new WorkerTeam(numThreads);
        using var kernel = new AttentionKernel(team);
        using var peaks = new MachinePeaks(team);
        double bf16 = peaks.BF16, read = peaks.Read();
        Console.WriteLine($"{shape} {dtype}, {numThreads} threads; peak {bf16:F0} Gop/s, read {read:F1} GB/s");
        foreach (int context in PrefillContexts)
        {
            using var scene = new Scene(team, kernel, numbers[0], numbers[1], numbers[2], dtype, 1, context + ChunkTokens, ChunkTokens);
            double seconds = scene.Seconds();
            double visible = ChunkTokens * (context + (ChunkTokens + 1) / 2.0);
            double gops = 4 * visible * numbers[0] * numbers[2] / seconds / 1e9;
            Console.WriteLine($"  prefill {ChunkTokens} at {context,4}: {seconds * 1e3,8:F3} ms, {gops,5:F0} Gop/s ({gops / bf16,4:P0})");
        }
        foreach ((int numSeqs, int context) in Decodes)
        {
            using var scene = new Scene(team, kernel, numbers[0], numbers[1], numbers[2], dtype, numSeqs, context, 1);
            double seconds = scene.Seconds();
            double gigabytes = (double)numSeqs * context / BlockSize * scene.LayerBlockBytes / 1e9;
            Console.WriteLine($"  decode {numSeqs,2} x {context,4}: {seconds * 1e6,8:F1} us, {gigabytes / seconds,5:F1} GB/s "
                + $"({gigabytes / seconds / read,4:P0})");
        }
    }

    /// <summary>Requests of one length, whose last tokens are computed.</summary>
    sealed class Scene : IDisposable
    {
        readonly WorkerTeam _team;
        readonly AttentionKernel _kernel;
        readonly PagedKvCache _cache;
        readonly AttentionMetadata _metadata;
        readonly AttentionParameters _parameters;
        readonly NativeBuffer _q, _output;
        readonly int _width;

        public Scene(
            WorkerTeam team, AttentionKernel kernel, int numHeads, int numKvHeads, int headDim, DType dtype, int numSeqs,
            int length, int numTokens)
        {
            (_team, _kernel, _width) = (team, kernel, numHeads * headDim);
            int blocksPerSeq = (length + BlockSize - 1) / BlockSize;
            var spec = new KvCacheSpec(1, numSeqs * blocksPerSeq + 1, BlockSize, numKvHeads, headDim, dtype);
            LayerBlockBytes = spec.BlockBytes;
            int numLayers = (int)Math.Clamp(ColdBytes / (LayerBlockBytes * spec.NumBlocks), 1, MaxNumLayers);
            _cache = new PagedKvCache(spec with { NumLayers = numLayers });
            _parameters = new AttentionParameters { Scale = 1 / MathF.Sqrt(headDim) };
            _metadata = Metadata(numSeqs, length, numTokens, blocksPerSeq);
            _q = Random(numSeqs * numTokens, _width);
            _output = new NativeBuffer((long)numSeqs * numTokens * _width * sizeof(float));
            Fill(numKvHeads * headDim);
        }

        /// <summary>Bytes of a block in one layer.</summary>
        public long LayerBlockBytes { get; }

        /// <summary>Seconds of one layer.</summary>
        public double Seconds()
        {
            Tensor q = Matrix(_q, _metadata.NumTokens, _width), output = Matrix(_output, _metadata.NumTokens, _width);
            int layer = 0;
            _team.BeginStep();
            double seconds = Clock.Best(() =>
            {
                _kernel.Run(q, _cache, layer, _metadata, _parameters, output);
                layer = (layer + 1) % _cache.Spec.NumLayers;
            });
            return seconds;
        }

        static AttentionMetadata Metadata(int numSeqs, int length, int numTokens, int blocksPerSeq)
        {
            var metadata = new AttentionMetadata(numSeqs, Math.Max(ChunkTokens, numSeqs * numTokens), blocksPerSeq)
            {
                NumSeqs = numSeqs,
                NumTokens = numSeqs * numTokens,
            };
            for (int request = 0; request < numSeqs; request++)
            {
                metadata.QueryStart[request + 1] = (request + 1) * numTokens;
                metadata.SeqLens[request] = length;
                for (int i = 0; i < blocksPerSeq; i++)
                    metadata.BlockTables[request * blocksPerSeq + i] = 1 + request * blocksPerSeq + i;
            }
            return metadata;
        }

        /// <summary>Writes random keys and values to every slot.</summary>
        void Fill(int kvWidth)
        {
            using NativeBuffer k = Random(ChunkTokens, kvWidth), v = Random(ChunkTokens, kvWidth), q = Random(ChunkTokens, kvWidth);
            using var cosSin = new NativeBuffer(_cache.Spec.HeadDim * sizeof(float));
            Matrix(cosSin, 1, _cache.Spec.HeadDim).Row<float>(0)[..(_cache.Spec.HeadDim / 2)].Fill(1);
            var slots = new AttentionMetadata(1, ChunkTokens, 1);
            int numSlots = _cache.Spec.NumBlocks * BlockSize;
            for (int layer = 0; layer < _cache.Spec.NumLayers; layer++)
                for (int first = 0; first < numSlots; first += ChunkTokens)
                {
                    slots.NumTokens = Math.Min(ChunkTokens, numSlots - first);
                    for (int i = 0; i < slots.NumTokens; i++) slots.SlotMapping[i] = first + i;
                    RopeKernel.Run(
                        _team, Matrix(q, slots.NumTokens, kvWidth), Matrix(k, slots.NumTokens, kvWidth),
                        Matrix(v, slots.NumTokens, kvWidth), Matrix(cosSin, 1, _cache.Spec.HeadDim), _cache, layer, slots);
                }
        }

        static NativeBuffer Random(int numRows, int numColumns)
        {
            var random = new Random(1);
            var buffer = new NativeBuffer((long)numRows * numColumns * sizeof(float));
            foreach (ref float value in Matrix(buffer, numRows, numColumns).AsSpan<float>())
                value = (float)(random.NextDouble() * 4 - 2);
            return buffer;
        }

        static Tensor Matrix(NativeBuffer buffer, int numRows, int numColumns) =>
            new(buffer.Address, DType.F32, numRows, numColumns, numColumns);

        public void Dispose()
        {
            _cache.Dispose();
            _q.Dispose();
            _output.Dispose();
        }
    }
}
