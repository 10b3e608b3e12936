using System.Diagnostics;
using Vllm.Kernels;
using Vllm.Kernels.Cpu.MatMul;
using Vllm.Kernels.Cpu.Threading;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;
using Vllm.Tests.MatMul;

namespace Vllm.Micro;

/// <summary>Packs the weights of SmolLM2-135M: 30 layers of the given format and a Q8_0 table.</summary>
static class PackBenchmark
{
    const int NumLayers = 30;

    static readonly (int NumOutputs, int NumInputs)[] LayerShapes = [(960, 576), (576, 576), (3072, 576), (576, 1536)];

    public static void Run(GgmlType[] types, int numThreads)
    {
        using var team = new WorkerTeam(numThreads);
        foreach (GgmlType type in types)
        {
            int unit = GgmlTypes.Block(type).NumValues; // 256 columns for the K formats: 512 in place of 576
            RandomMatrix[] layer =
            [
                .. LayerShapes.Select(shape =>
                    new RandomMatrix(type, shape.NumOutputs, shape.NumInputs / unit * unit)),
            ];
            var table = new RandomMatrix(GgmlType.Q8_0, 49152, 576);
            for (int round = 0; round < 4; round++)
            {
                using var arena = new NativeArena();
                TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
                var clock = Stopwatch.StartNew();
                List<PackedWeight> weights = [PackedWeight.Create(team, [table], default, DType.BF16, arena)];
                for (int i = 0; i < NumLayers; i++)
                    weights.AddRange(layer.Select(matrix => PackedWeight.Create(team, [matrix], default, DType.BF16, arena)));
                double seconds = clock.Elapsed.TotalSeconds;
                double cpuSeconds = (Environment.CpuUsage.TotalTime - cpuBefore).TotalSeconds;
                double gigabytes = weights.Sum(weight => weight.SizeBytes) / 1e9;
                Console.WriteLine($"{type}: {gigabytes * 1e3:F0} MB in {seconds * 1e3:F0} ms, "
                    + $"{cpuSeconds * 1e3:F0} ms of processor time");
            }
        }
    }
}
