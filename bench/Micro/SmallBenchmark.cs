using Vllm.Kernels;
using Vllm.Kernels.Cpu.Activations;
using Vllm.Kernels.Cpu.Attention;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Norm;
using Vllm.Kernels.Cpu.Rope;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Memory;

namespace Vllm.Micro;

/// <summary>The operations between the matrix products, a row at a time and with the data in cache; and the 8-bit codec
/// of the host tier.</summary>
static class SmallBenchmark
{
    const int NumRows = 16;
    const int BlockSize = 64;
    const int MaxPosition = 4096;

    record Shape(string Name, int HiddenSize, int IntermediateSize, int NumHeads, int NumKvHeads, int NumLayers)
    {
        public const int HeadDim = 64;
    }

    static readonly Shape[] Shapes = [new("135M", 576, 1536, 9, 3, 30), new("1B", 2048, 8192, 32, 8, 16)];

    public static void Run()
    {
        using var team = new WorkerTeam(1);
        Console.WriteLine("ns per row, 1 thread, best");
        foreach (Shape shape in Shapes)
        {
            var buffers = new List<NativeBuffer>();
            Norm(team, shape, buffers);
            Activation(team, shape, buffers);
            Rope(team, shape, buffers, consecutive: false);
            Rope(team, shape, buffers, consecutive: true);
            Codec(shape);
            foreach (NativeBuffer buffer in buffers) buffer.Dispose();
        }
    }

    static void Norm(WorkerTeam team, Shape shape, List<NativeBuffer> buffers)
    {
        Tensor x = Random(buffers, NumRows, shape.HiddenSize), residual = Random(buffers, NumRows, shape.HiddenSize);
        Tensor weight = Random(buffers, 1, shape.HiddenSize), output = Random(buffers, NumRows, shape.HiddenSize);
        Report(shape, "residual + RMSNorm", () => RmsNormKernel.RunAdd(team, x, residual, weight, 1e-5f, output));
        Quantize(shape, "  int8 of its output", output, buffers);
    }

    static void Activation(WorkerTeam team, Shape shape, List<NativeBuffer> buffers)
    {
        Tensor gateUp = Random(buffers, NumRows, 2 * shape.IntermediateSize);
        Tensor output = Random(buffers, NumRows, shape.IntermediateSize);
        Report(shape, "silu * up", () => GatedActivationKernel.Run(team, gateUp, Kernels.Activation.Silu, output));
        Quantize(shape, "  int8 of its output", output, buffers);
    }

    static unsafe void Quantize(Shape shape, string name, Tensor x, List<NativeBuffer> buffers)
    {
        int rowBytes = ActivationRows.RowBytes(ActivationForm.Int8G32, x.NumColumns);
        var target = new NativeBuffer((long)NumRows * rowBytes);
        buffers.Add(target);
        Report(shape, name, () =>
        {
            for (int row = 0; row < NumRows; row++)
                ActivationRows.Convert(
                    ActivationForm.Int8G32, x.Float(row), x.NumColumns, (byte*)target.Address + (nint)row * rowBytes);
        });
    }

    /// <summary>A decode step's tokens lie in blocks of their own, a prefill's follow each other.</summary>
    static void Rope(WorkerTeam team, Shape shape, List<NativeBuffer> buffers, bool consecutive)
    {
        int qWidth = shape.NumHeads * Shape.HeadDim, kvWidth = shape.NumKvHeads * Shape.HeadDim;
        Tensor q = Random(buffers, NumRows, qWidth), k = Random(buffers, NumRows, kvWidth), v = Random(buffers, NumRows, kvWidth);
        Tensor cosSin = Random(buffers, MaxPosition, Shape.HeadDim);
        for (int i = 0; i < MaxPosition; i++)
            for (int d = 0; d < Shape.HeadDim; d++) cosSin.Row<float>(i)[d] = d < Shape.HeadDim / 2 ? 0.6f : 0.8f;
        using var cache = new PagedKvCache(new(1, NumRows + 1, BlockSize, shape.NumKvHeads, Shape.HeadDim, DType.BF16));
        var metadata = new AttentionMetadata(NumRows, NumRows, 1) { NumTokens = NumRows };
        for (int i = 0; i < NumRows; i++)
        {
            metadata.Positions[i] = consecutive ? 100 + i : 100;
            metadata.SlotMapping[i] = consecutive ? 16 + i : i * BlockSize + 37 + i % 2;
        }
        Report(shape, $"rope + KV write, {(consecutive ? "prefill" : "decode")}",
            () => RopeKernel.Run(team, q, k, v, cosSin, cache, 0, metadata));
    }

    static unsafe void Codec(Shape shape)
    {
        nint chunkBytes = 2 * Shape.HeadDim * BlockSize * 2;
        int numChunks = shape.NumLayers * shape.NumKvHeads;
        nint codedBytes = Int8KvChunk.SizeBytes(Shape.HeadDim, BlockSize);
        using var chunks = new NativeBuffer(chunkBytes * numChunks);
        using var coded = new NativeBuffer(codedBytes * numChunks);
        Random random = new(1);
        Span<ushort> elements = new((void*)chunks.Address, (int)(chunks.SizeBytes / 2));
        foreach (ref ushort element in elements) element = (ushort)(0x3F00 + random.Next(256)); // bf16 of 0.5 to 2
        double encode = Clock.Best(() =>
        {
            for (int i = 0; i < numChunks; i++)
                Int8KvChunk.Encode<BFloat16Element>(
                    chunks.Address + i * chunkBytes, chunkBytes / 2, Shape.HeadDim, BlockSize, coded.Address + i * codedBytes);
        });
        double decode = Clock.Best(() =>
        {
            for (int i = 0; i < numChunks; i++)
                Int8KvChunk.Decode<BFloat16Element>(
                    coded.Address + i * codedBytes, chunks.Address + i * chunkBytes, chunkBytes / 2, Shape.HeadDim, BlockSize);
        });
        Console.WriteLine($"{shape.Name,-6}{"int8 codec, a block of all layers",-34}{encode * 1e6:F0} us to encode, {decode * 1e6:F0} us to decode");
    }

    static void Report(Shape shape, string name, Action action) =>
        Console.WriteLine($"{shape.Name,-6}{name,-34}{Clock.Best(action) * 1e9 / NumRows,8:F0}");

    static Tensor Random(List<NativeBuffer> buffers, int numRows, int numColumns)
    {
        var buffer = new NativeBuffer((long)numRows * numColumns * sizeof(float));
        buffers.Add(buffer);
        var tensor = new Tensor(buffer.Address, DType.F32, numRows, numColumns, numColumns);
        var random = new Random(numColumns);
        for (int row = 0; row < numRows; row++)
            foreach (ref float value in tensor.Row<float>(row)) value = random.NextSingle() - 0.5f;
        return tensor;
    }
}
