using Vllm.Kernels;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;
using Vllm.Tests.MatMul;

namespace Vllm.Micro;

/// <summary>Matrix products in the shapes of SmolLM2-135M, weights from memory as in a model.</summary>
static class MatMulBenchmark
{
    const int NumLayers = 30;
    const int MaxRows = 512;
    const int MaxWidth = 49152;

    static readonly (string Name, int NumOutputs, int NumInputs)[] LayerShapes =
        [("qkv", 960, 576), ("o", 576, 576), ("gate_up", 3072, 576), ("down", 576, 1536)];

    static readonly (string Name, int NumOutputs, int NumInputs) Head = ("head", 49152, 576);

    public static void Run(GgmlType[] types, int[] rowCounts, int numThreads)
    {
        using var team = new WorkerTeam(numThreads);
        using var kernel = new MatMulKernel(team);
        using var peaks = new MachinePeaks(team);
        using var x = new NativeBuffer(MaxRows * 1536 * sizeof(float));
        using var output = new NativeBuffer((long)MaxRows * MaxWidth * sizeof(float));
        var random = new Random(1);
        foreach (ref float value in Matrix(x, MaxRows, 1536).AsSpan<float>())
            value = (float)(random.NextDouble() * 2 - 1);
        Console.WriteLine($"{team.NumWorkers} threads, read {peaks.Read():F1} GB/s, peak Gop/s: "
            + $"int8 {peaks.Int8:F0}, bf16 {peaks.BF16:F0}, fp32 {peaks.F32:F0}");

        ReportConversion(x);
        foreach (GgmlType type in types)
        {
            DType dtype = type switch { GgmlType.F32 => DType.F32, GgmlType.F16 => DType.F16, _ => DType.BF16 };
            PackedWeight[][] layers =
                [.. Enumerable.Range(0, NumLayers).Select(_ => LayerShapes.Select(shape => Create(shape)).ToArray())];
            using PackedWeight head = Create(Head);
            Console.WriteLine($"{type}: {layers[0][0].Format} by {kernel.VariantName(layers[0][0].Groups[0].Format)}");
            foreach (int numRows in rowCounts)
            {
                team.BeginStep();
                double peak = type switch
                {
                    GgmlType.F32 or GgmlType.F16 => peaks.F32,
                    GgmlType.BF16 => peaks.BF16,
                    _ => peaks.Int8,
                };
                for (int i = 0; i < LayerShapes.Length; i++)
                {
                    int index = i;
                    Report(LayerShapes[i].Name, numRows, [.. layers.Select(layer => layer[index])], peak);
                }

                Report(Head.Name, numRows, [head], peak);
                double step = Clock.Best(() =>
                {
                    foreach (PackedWeight[] layer in layers)
                        foreach (PackedWeight weight in layer) Multiply(weight, numRows);
                    Multiply(head, numRows <= 48 ? numRows : 1); // a prompt's last row only
                });
                Console.WriteLine($"  {"step",-8} M {numRows,3}: {step * 1e3,8:F3} ms, {numRows / step,7:F0} tok/s");
            }

            foreach (PackedWeight weight in layers.SelectMany(layer => layer)) weight.Dispose();

            PackedWeight Create((string Name, int NumOutputs, int NumInputs) shape) => PackedWeight.Create(
                team, [new RandomMatrix(type, shape.NumOutputs, shape.NumInputs)], default, dtype);
        }

        void Multiply(PackedWeight weight, int numRows) => kernel.Run(
            Matrix(x, numRows, weight.NumInputs), weight, Matrix(output, numRows, weight.NumOutputs));

        void Report(string name, int numRows, PackedWeight[] copies, double peak)
        {
            double seconds = Clock.Best(() =>
            {
                foreach (PackedWeight weight in copies) Multiply(weight, numRows);
            }) / copies.Length;
            double gops = 2.0 * numRows * copies[0].NumOutputs * copies[0].NumInputs / seconds / 1e9;
            Console.WriteLine($"  {name,-8} M {numRows,3}: {seconds * 1e6,8:F1} us, {gops,6:F0} Gop/s ({gops / peak,4:P0})"
                + $", {copies[0].SizeBytes / seconds / 1e9,5:F1} GB/s");
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
