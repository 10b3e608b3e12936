using System.Text;
using Vllm.Models.Loading;

namespace Vllm.Models.Synth;

/// <summary>The header of a GGUF file, version 3: metadata, then names, shapes and places of the tensors.</summary>
sealed class GgufHeader
{
    public const int AlignmentBytes = 32; // general.alignment's default

    const uint Version = 3;

    readonly MemoryStream _metadata = new();
    readonly BinaryWriter _writer;
    ulong _numEntries;

    public GgufHeader() => _writer = new BinaryWriter(_metadata);

    /// <param name="key">The key.</param>
    /// <param name="value">A value in the forms of <see cref="GgufFile.Metadata"/>; arrays of strings, ints and
    /// floats.</param>
    public void Add(string key, object value)
    {
        WriteString(_writer, key);
        WriteValue(value);
        _numEntries++;
    }

    /// <summary>The bytes before the tensors' data, padded to the alignment.</summary>
    /// <param name="tensors">Each tensor, and where its data starts after the header.</param>
    public byte[] ToBytes(IReadOnlyList<(SynthTensor Tensor, long Offset)> tensors)
    {
        var stream = new MemoryStream();
        var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write(_numEntries);
        writer.Write(_metadata.ToArray());
        foreach ((SynthTensor tensor, long offset) in tensors)
        {
            WriteString(writer, tensor.Name);
            writer.Write(tensor.Shape.Length);
            foreach (int size in tensor.Shape.Reverse()) writer.Write((ulong)size);
            writer.Write((uint)tensor.Type);
            writer.Write((ulong)offset);
        }
        while (stream.Position % AlignmentBytes != 0) writer.Write((byte)0);
        return stream.ToArray();
    }

    void WriteValue(object value)
    {
        switch (value)
        {
            case string text:
                WriteType(GgufValueType.String);
                WriteString(_writer, text);
                break;
            case bool flag:
                WriteType(GgufValueType.Bool);
                _writer.Write(flag);
                break;
            case uint number:
                WriteType(GgufValueType.UInt32);
                _writer.Write(number);
                break;
            case float number:
                WriteType(GgufValueType.Float32);
                _writer.Write(number);
                break;
            case string[] texts:
                WriteArray(GgufValueType.String, texts, text => WriteString(_writer, text));
                break;
            case int[] numbers:
                WriteArray(GgufValueType.Int32, numbers, _writer.Write);
                break;
            case float[] numbers:
                WriteArray(GgufValueType.Float32, numbers, _writer.Write);
                break;
            default:
                throw new NotSupportedException($"GGUF metadata of type {value.GetType().Name}");
        }
    }

    void WriteArray<T>(GgufValueType type, T[] items, Action<T> write)
    {
        WriteType(GgufValueType.Array);
        WriteType(type);
        _writer.Write((ulong)items.Length);
        foreach (T item in items) write(item);
    }

    void WriteType(GgufValueType type) => _writer.Write((uint)type);

    static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
