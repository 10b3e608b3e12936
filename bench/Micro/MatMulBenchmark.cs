using Vllm.Kernels;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;
using Vllm.Tests.MatMul;

namespace Vllm.Micro;

/// <summary>Matrix products in the shapes of a model, weights from memory as in a model.</summary>
static class MatMulBenchmark
{
    const int MaxRows = 512;

    /// <summary>Copies of a weight are used in turn, in all this much: several times the last cache of its
    /// machine.</summary>
    const long BytesInTurn = 160 << 20;

    /// <summary>Prompts need the LM head for their last rows only.</summary>
    const int MaxHeadRows = 48;

    sealed record Shape(string Name, int NumOutputs, int NumInputs);

    sealed record Model(string Name, int NumLayers, Shape[] Layer, Shape Head);

    static readonly Model[] Models =
    [
        new("135m", 30, [new("qkv", 960, 576), new("o", 576, 576), new("gate_up", 3072, 576), new("down", 576, 1536)],
            new("head", 49152, 576)),
        new("1b", 16,
            [new("qkv", 3072, 2048), new("o", 2048, 2048), new("gate_up", 16384, 2048), new("down", 2048, 8192)],
            new("head", 128256, 2048)),
    ];

    /// <param name="types">Stored types of the weights.</param>
    /// <param name="rowCounts">Values of M.</param>
    /// <param name="numThreads">Workers.</param>
    /// <param name="modelName">135m or 1b.</param>
    /// <param name="shapeNames">Which of its shapes; empty = all.</param>
    public static void Run(GgmlType[] types, int[] rowCounts, int numThreads, string modelName, string[] shapeNames)
    {
        Model model = Models.Single(candidate => candidate.Name == modelName);
        using var team = new WorkerTeam(numThreads);
        using var kernel = new MatMulKernel(team);
        using var peaks = new MachinePeaks(team);
        int numInputs = model.Layer.Max(shape => shape.NumInputs);
        using var x = new NativeBuffer((long)MaxRows * numInputs * sizeof(float));
        int numOutputs = model.Layer.Max(shape => shape.NumOutputs);
        using var output = new NativeBuffer(
            Math.Max((long)MaxRows * numOutputs, (long)MaxHeadRows * model.Head.NumOutputs) * sizeof(float));
        var random = new Random(1);
        foreach (ref float value in Matrix(x, MaxRows, numInputs).AsSpan<float>())
            value = (float)(random.NextDouble() * 2 - 1);
        ReportConversion(x);
        foreach (GgmlType type in types)
        {
            DType dtype = type switch { GgmlType.F32 => DType.F32, GgmlType.F16 => DType.F16, _ => DType.BF16 };
            PanelFormat format = PanelPacker.FormatFor(type, dtype);
            double peak = format.Activations switch
            {
                ActivationForm.F32 => peaks.F32,
                ActivationForm.BF16 => peaks.BF16,
                _ => peaks.Int8,
            };
            Console.WriteLine($"{type} as {format.Name} by {kernel.VariantName(format)}, {modelName}, "
                + $"{team.NumWorkers} threads: peak {peak:F0} Gop/s, read {peaks.Read():F1} GB/s");
            var seconds = new Dictionary<int, double>(); // of a step, by rows
            foreach (Shape shape in (Shape[])[.. model.Layer, model.Head])
            {
                if (shapeNames.Length > 0 && !shapeNames.Contains(shape.Name)) continue;
                if (shape.NumInputs % GgmlTypes.Block(type).NumValues != 0) continue; // no file has it in this type
                using var arena = new NativeArena();
                PackedWeight[] copies = Create(arena, shape, type, dtype);
                foreach (int numRows in rowCounts)
                {
                    if (shape == model.Head && numRows > MaxHeadRows) continue;
                    double inAll = Report(shape, numRows, copies, peak) * (shape == model.Head ? 1 : model.NumLayers);
                    seconds[numRows] = seconds.GetValueOrDefault(numRows) + inAll;
                }
            }

            foreach ((int numRows, double inAll) in seconds)
            {
                if (shapeNames.Length > 0) break;
                Console.WriteLine(
                    $"  {"all",-8} M {numRows,3}: {inAll * 1e3,8:F3} ms, {numRows / inAll,7:F0} tok/s"
                    + (numRows > MaxHeadRows ? " without head" : ""));
            }
        }

        PackedWeight[] Create(NativeArena arena, Shape shape, GgmlType type, DType dtype)
        {
            var matrix = new RandomMatrix(type, shape.NumOutputs, shape.NumInputs);
            List<PackedWeight> copies = [];
            do copies.Add(PackedWeight.Create(team, [matrix], default, dtype, arena));
            while (copies.Sum(copy => copy.SizeBytes) < BytesInTurn);
            return [.. copies];
        }

        double Report(Shape shape, int numRows, PackedWeight[] copies, double peak)
        {
            int next = 0;
            team.BeginStep();
            Timing timing = Clock.Measure(() =>
            {
                PackedWeight weight = copies[next++ % copies.Length];
                kernel.Run(Matrix(x, numRows, shape.NumInputs), weight, Matrix(output, numRows, shape.NumOutputs));
            });
            double gops = 2e-9 * numRows * shape.NumOutputs * shape.NumInputs;
            double gigabytes = copies[0].SizeBytes / 1e9;
            Console.WriteLine($"  {shape.Name,-8} M {numRows,3}: best {timing.Best * 1e6,8:F1} us, "
                + $"{gops / timing.Best,5:F0} Gop/s ({gops / timing.Best / peak,4:P0}), "
                + $"{gigabytes / timing.Best,5:F1} GB/s; median {gops / timing.Median,5:F0} Gop/s, "
                + $"{gigabytes / timing.Median,5:F1} GB/s; {timing.AllocatedBytes} B allocated");
            return timing.Best;
        }
    }

    static unsafe void ReportConversion(NativeBuffer x)
    {
        const int NumColumns = 576;
        using var target = new NativeBuffer(ActivationRows.RowBytes(ActivationForm.F32, NumColumns));
        foreach (ActivationForm form in new[] { ActivationForm.Int8G32, ActivationForm.Int8G16, ActivationForm.BF16 })
        {
            double seconds = Clock.Best(
                () => ActivationRows.Convert(form, (float*)x.Address, NumColumns, (byte*)target.Address));
            Console.WriteLine($"a row of {NumColumns} to {form}: {seconds * 1e9:F0} ns, "
                + $"{NumColumns / seconds / 1e9:F1} G elements/s");
        }
    }

    static Tensor Matrix(NativeBuffer buffer, int numRows, int numColumns) =>
        new(buffer.Address, DType.F32, numRows, numColumns, numColumns);
}
