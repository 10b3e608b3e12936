using Vllm.Kernels;
using Vllm.Kernels.Formats;

namespace Vllm.Models.Loading;

/// <summary>Takes tensors by name from a checkpoint, checks their shapes and packs them for the device. Owns what it
/// packs.</summary>
public sealed class WeightLoader(Checkpoint checkpoint, Device device, DType dtype, Action<int>? onPacked = null) : IDisposable
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
        Tensor tensor = device.Allocate(DType.F32, 1, length);
        checkpoint.Get(name, length).ToArray().CopyTo(tensor.Row<float>(0));
        return tensor;
    }

    /// <summary>A vector's values, or null when the checkpoint has none of that name.</summary>
    public float[]? TryVector(string name, int length) =>
        checkpoint.TryGet(name, out _) ? checkpoint.Get(name, length).ToArray() : null;

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

    StoredTensor Matrix(string name, int numRows, int numColumns) => new(checkpoint.Get(name, numRows, numColumns));

    Weight Pack(IReadOnlyList<StoredMatrix> parts, ReadOnlySpan<float> bias)
    {
        Weight weight = device.CreateWeight(parts, bias, dtype);
        _weights.Add(weight);
        onPacked?.Invoke(parts.Count);
        return weight;
    }

    /// <summary>A checkpoint's tensor as devices read it.</summary>
    sealed class StoredTensor(CheckpointTensor tensor) : StoredMatrix
    {
        public override string Name => tensor.Name;

        public override GgmlType Type => tensor.Type;

        public override int NumRows { get; } = tensor.NumRows;

        public override int NumColumns { get; } = tensor.RowLength;

        public override ReadOnlySpan<byte> RowBytes(int row) => tensor.Row(row);

        public override void DequantizeRow(int row, Span<float> destination) => tensor.DequantizeRows(row, 1, destination);
    }
}
