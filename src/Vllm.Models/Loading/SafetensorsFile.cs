using System.Buffers.Binary;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

/// <summary>
/// A safetensors file (<see href="https://github.com/huggingface/safetensors#format"/>): header length, JSON header,
/// data. The file is mapped. The header is checked as a whole on opening: every tensor lies inside the file and has the
/// size of its shape, and together they cover the data without gap or overlap, as the format demands.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>Limit of the reference implementation.</summary>
    const long MaxHeaderSizeBytes = 100_000_000;

    const int LengthSizeBytes = sizeof(ulong);
    const string MetadataKey = "__metadata__";

    readonly MappedFile _map;
    readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);

    SafetensorsFile(MappedFile map) => _map = map;

    public string Path => _map.Path;

    public IReadOnlyDictionary<string, CheckpointTensor> Tensors => _tensors;

    public static SafetensorsFile Open(string path)
    {
        var file = new SafetensorsFile(ModelFiles.Map(path));
        try
        {
            file.ReadHeader();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _map.Dispose();

    void ReadHeader()
    {
        if (_map.Length < LengthSizeBytes) throw Defect("header", "8 bytes of header length", $"{_map.Length} bytes");
        ulong headerSizeBytes = BinaryPrimitives.ReadUInt64LittleEndian(_map.Bytes.Span(0, LengthSizeBytes));
        long maxSizeBytes = Math.Min(MaxHeaderSizeBytes, _map.Length - LengthSizeBytes);
        if (headerSizeBytes > (ulong)maxSizeBytes)
            throw Defect("header", $"a header of at most {maxSizeBytes:N0} bytes", $"{headerSizeBytes:N0}");
        byte[] json = _map.Bytes.Span(LengthSizeBytes, (int)headerSizeBytes).ToArray();
        ConfigObject header = ConfigObject.Parse(Path, json);

        long dataStart = LengthSizeBytes + (long)headerSizeBytes;
        MappedBytes data = _map.Bytes.Slice(dataStart, _map.Length - dataStart);
        var ranges = new List<(long Begin, long End, string Name)>();
        foreach ((string name, ConfigObject entry) in header.Entries().Where(entry => entry.Key != MetadataKey))
        {
            (CheckpointTensor tensor, long begin, long end) = ReadTensor(name, entry, data);
            if (!_tensors.TryAdd(name, tensor)) throw Defect(name, "every tensor name once", "the name twice");
            ranges.Add((begin, end, name));
        }
        CheckCover(ranges, data.Length);
    }

    (CheckpointTensor Tensor, long Begin, long End) ReadTensor(string name, ConfigObject entry, MappedBytes data)
    {
        string typeName = entry.String("dtype") ?? throw entry.Defect("dtype", "a type name");
        if (ElementType(typeName) is not GgmlType type) throw entry.Defect("dtype", "a type of the safetensors format");
        if (entry.Ints("shape") is not IReadOnlyList<int> shape || shape.Any(size => size < 0))
            throw entry.Defect("shape", "a list of sizes");
        IReadOnlyList<long> offsets = entry.Longs("data_offsets") ?? throw entry.Defect("data_offsets", "two offsets");
        if (offsets is not [long begin, long end] || begin > end || end > data.Length)
            throw entry.Defect("data_offsets", $"begin and end within {data.Length:N0} bytes of data");
        if (CheckpointTensor.TryDataSizeBytes(type, shape, out long sizeBytes) && sizeBytes == end - begin)
            return (new(Path, name, type, shape, data.Slice(begin, end - begin)), begin, end);
        throw entry.Defect("shape", $"one that takes {end - begin:N0} bytes in {typeName}");
    }

    void CheckCover(List<(long Begin, long End, string Name)> ranges, long dataSizeBytes)
    {
        ranges.Sort();
        long end = 0;
        foreach ((long begin, long next, string name) in ranges)
        {
            if (begin != end) throw Defect(name, $"data from offset {end}, where the tensor before ends", $"{begin}");
            end = next;
        }
        if (end != dataSizeBytes) throw Defect("data", $"{end:N0} bytes, as the header says", $"{dataSizeBytes:N0}");
    }

    static GgmlType? ElementType(string name) => name switch
    {
        "F64" => GgmlType.F64,
        "F32" => GgmlType.F32,
        "F16" => GgmlType.F16,
        "BF16" => GgmlType.BF16,
        "F8_E4M3" => GgmlType.F8_E4M3,
        "F8_E5M2" => GgmlType.F8_E5M2,
        "F8_E8M0" => GgmlType.F8_E8M0,
        "BOOL" => GgmlType.Bool,
        "I8" => GgmlType.I8,
        "U8" => GgmlType.U8,
        "I16" => GgmlType.I16,
        "U16" => GgmlType.U16,
        "I32" => GgmlType.I32,
        "U32" => GgmlType.U32,
        "I64" => GgmlType.I64,
        "U64" => GgmlType.U64,
        _ => null,
    };

    ModelLoadException Defect(string subject, string expected, string found) => new(Path, subject, expected, found);
}
