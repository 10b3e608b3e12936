using Vllm.Kernels;
using Vllm.Kernels.Formats;

namespace Vllm.Models.Loading;

/// <summary>Takes tensors by name from a checkpoint, checks their shapes and packs them for the device. Owns what it
/// packs.</summary>
public sealed class WeightLoader(Checkpoint checkpoint, Device device, DType dtype, Action<string>? onLoad = null) : IDisposable
{
    readonly List<Weight> _weights = [];

    /// <summary>Bytes packed so far.</summary>
    public long SizeBytes => _weights.Sum(weight => weight.SizeBytes);

    /// <summary>The forms in use, those of most bytes first: "int4 g32 + min, int8 g32".</summary>
    public string Format => string.Join(", ", _weights.GroupBy(weight => weight.Format)
        .OrderByDescending(group => group.Sum(weight => weight.SizeBytes)).Select(group => group.Key));

    /// <summary>An exception that names the checkpoint.</summary>
    public ModelLoadException Defect(string subject, string expected, string found) =>
        new(checkpoint.Path, subject, expected, found);

    /// <summary>One matrix [numOutputs, numInputs].</summary>
    public Weight Linear(string name, int numOutputs, int numInputs) =>
        Pack([Matrix(name, numOutputs, numInputs)], []);

    /// <summary>Matrices over one input stacked by rows, each with its <c>.weight</c> and, if it has one, its <c>.bias</c>.</summary>
    public Weight FusedLinear(ReadOnlySpan<(string Name, int NumOutputs)> parts, int numInputs)
    {
        var matrices = new List<StoredMatrix>();
        int numOutputs = 0;
        foreach ((string name, int num) in parts)
        {
            matrices.Add(Matrix(name + ".weight", num, numInputs));
            numOutputs += num;
        }
        return Pack(matrices, Bias(parts, numOutputs));
    }

    /// <summary>A vector as a row on the device, [1, length].</summary>
    public Tensor Vector(string name, int length)
    {
        float[] values = TryVector(name, length)
            ?? throw Defect(name, $"a tensor [{length}]", "nothing");
        Tensor tensor = device.Allocate(DType.F32, 1, length);
        values.CopyTo(tensor.Row<float>(0));
        return tensor;
    }

    /// <summary>A vector's values, or null when the checkpoint has none of that name.</summary>
    public float[]? TryVector(string name, int length)
    {
        if (!checkpoint.TryGet(name, out CheckpointTensor? tensor)) return null;
        if (tensor.NumRows != 1 || tensor.NumColumns != length)
            throw WrongShape(name, $"[{length}]", tensor);
        var values = new float[length];
        tensor.DequantizeRow(0, values);
        return values;
    }

    public void Dispose()
    {
        foreach (Weight weight in _weights) weight.Dispose();
    }

    float[] Bias(ReadOnlySpan<(string Name, int NumOutputs)> parts, int numOutputs)
    {
        var bias = new float[numOutputs];
        bool any = false;
        int first = 0;
        foreach ((string name, int num) in parts)
        {
            if (TryVector(name + ".bias", num) is { } values)
            {
                values.CopyTo(bias, first);
                any = true;
            }
            first += num;
        }
        return any ? bias : [];
    }

    CheckpointTensor Matrix(string name, int numRows, int numColumns)
    {
        if (!checkpoint.TryGet(name, out CheckpointTensor? tensor))
            throw Defect(name, $"a tensor [{numRows}, {numColumns}]", "nothing");
        if (tensor.NumRows != numRows || tensor.NumColumns != numColumns)
            throw WrongShape(name, $"[{numRows}, {numColumns}]", tensor);
        return tensor;
    }

    ModelLoadException WrongShape(string name, string expected, CheckpointTensor tensor) =>
        new(checkpoint.Path, name, "shape " + expected, $"[{tensor.NumRows}, {tensor.NumColumns}]");

    Weight Pack(IReadOnlyList<StoredMatrix> parts, ReadOnlySpan<float> bias)
    {
        onLoad?.Invoke(parts[0].Name);
        Weight weight = device.CreateWeight(parts, bias, dtype);
        _weights.Add(weight);
        return weight;
    }
}
