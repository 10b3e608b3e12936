using System.Runtime.InteropServices;
using Vllm.Models.Loading;

namespace Vllm.Tests.Architectures;

/// <summary>The tensors of an <c>expected.safetensors</c>.</summary>
sealed class ExpectedTensors(string path) : IDisposable
{
    readonly SafetensorsFile _file = SafetensorsFile.Open(path);

    public bool Has(string name) => _file.Tensors.ContainsKey(name);

    public int[] Ints(string name)
    {
        CheckpointTensor tensor = _file.Tensors[name];
        return MemoryMarshal.Cast<byte, int>(tensor.Data.Span(0, (int)tensor.Data.Length)).ToArray();
    }

    public float[] Floats(string name) => _file.Tensors[name].ToArray();

    /// <summary>Rows of a matrix.</summary>
    public float[][] Rows(string name) => [.. Floats(name).Chunk(_file.Tensors[name].Shape[^1])];

    public void Dispose() => _file.Dispose();
}

/// <summary>How far two sets of logits are apart.</summary>
readonly record struct Distance(double Max, double Mean, double Rms)
{
    public static Distance Of(IEnumerable<float[]> actual, IEnumerable<float[]> expected)
    {
        double max = 0, sum = 0, squares = 0;
        long num = 0;
        foreach ((float[] a, float[] e) in actual.Zip(expected))
        {
            Assert.Equal(e.Length, a.Length);
            for (int i = 0; i < a.Length; i++)
            {
                double difference = Math.Abs((double)a[i] - e[i]);
                max = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(max, difference);
                sum += difference;
                squares += difference * difference;
                num++;
            }
        }
        return new(max, sum / num, Math.Sqrt(squares / num));
    }
}
