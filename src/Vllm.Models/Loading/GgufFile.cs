using System.Numerics;
using Vllm.Kernels.Formats;
using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

/// <summary>
/// A model file in GGUF, versions 2 and 3, little-endian
/// (<see href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"/>). The file is mapped, tensor data is not
/// copied. All of the header is checked on opening, so that later reads cannot leave the file: a defect is a
/// <see cref="ModelLoadException"/>, and memory taken is bounded by the file's size whatever its counts claim. A model
/// split into <c>name-00001-of-0000N.gguf</c> is opened by its first file.
/// </summary>
public sealed class GgufFile : IDisposable
{
    const uint Magic = 0x46554747; // "GGUF"
    const int DefaultAlignment = 32;
    const int MaxDimensions = 4; // GGML_MAX_DIMS

    readonly List<MappedFile> _maps = [];
    readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);

    GgufFile(string path) => Path = path;

    public string Path { get; }

    /// <summary>
    /// Values as string, bool, the .NET number of the stored width, or an array of these (nested arrays: object[]).
    /// A value is decoded on first use, which must precede <see cref="Dispose"/>.
    /// </summary>
    public IReadOnlyDictionary<string, object> Metadata { get; private set; } = null!;

    /// <summary>Tensors of all files of the model by name; shapes are row-major, the file's order reversed.</summary>
    public IReadOnlyDictionary<string, CheckpointTensor> Tensors => _tensors;

    public static GgufFile Open(string path)
    {
        var file = new GgufFile(path);
        try
        {
            file.Metadata = file.ReadPart(path);
            foreach (string part in GgufSplit.OtherParts(path, file.Metadata))
                GgufSplit.CheckPart(path, part, file.Metadata, file.ReadPart(part));
            GgufSplit.CheckTensorCount(path, file.Metadata, file.Tensors.Count);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (MappedFile map in _maps) map.Dispose();
    }

    GgufMetadata ReadPart(string path)
    {
        MappedFile map = ModelFiles.Map(path);
        _maps.Add(map);
        // Positions in the header are int: 2 GB of names and vocabulary are beyond any model.
        MappedBytes header = map.Bytes.Slice(0, Math.Min(map.Length, int.MaxValue));
        var reader = new GgufReader(path, header.Span(0, (int)header.Length));

        if (reader.UInt32() != Magic) throw reader.Defect("the magic GGUF", "other bytes");
        uint version = reader.UInt32();
        if (version is not (2 or 3)) throw reader.Defect("version 2 or 3, little-endian", $"version {version}");
        reader.Subject = "tensor count";
        int numTensors = reader.Count(minSizeBytes: 24); // name length, dimension count, type, offset
        reader.Subject = "metadata count";
        int numEntries = reader.Count(minSizeBytes: 13); // key length, type, a one-byte value

        var metadata = new GgufMetadata(path, header, numEntries, ref reader);
        int alignment = Alignment(path, metadata);
        var entries = new TensorEntry[numTensors];
        for (int i = 0; i < numTensors; i++) entries[i] = ReadEntry(ref reader, i, alignment);

        AddTensors(map, entries, AlignUp(reader.Position, alignment));
        return metadata;
    }

    static int Alignment(string path, GgufMetadata metadata)
    {
        if (!metadata.TryGetValue("general.alignment", out object? value)) return DefaultAlignment;
        if (value is uint alignment && BitOperations.IsPow2(alignment) && alignment <= 1 << 20) return (int)alignment;
        throw new ModelLoadException(path, "general.alignment",
            "a uint32 that is a power of two up to 1 MiB", $"{value} ({value.GetType().Name})");
    }

    static TensorEntry ReadEntry(ref GgufReader reader, int index, int alignment)
    {
        reader.Subject = $"tensor {index}";
        string name = reader.String();
        if (name.Length == 0) throw reader.Defect("a name", "none");
        reader.Subject = name;
        uint numDimensions = reader.UInt32();
        if (numDimensions > MaxDimensions)
            throw reader.Defect($"at most {MaxDimensions} dimensions", $"{numDimensions}");
        var shape = new int[numDimensions];
        for (int i = shape.Length - 1; i >= 0; i--) shape[i] = ReadDimension(ref reader); // the file has them reversed
        var type = (GgmlType)reader.UInt32();
        int blockValues = type is >= 0 and < GgmlType.Bool ? GgmlTypes.Block(type).NumValues : 0;
        if (blockValues == 0) throw reader.Defect("a tensor type of GGUF", $"{(uint)type}");
        if (!CheckpointTensor.TryDataSizeBytes(type, shape, out long sizeBytes))
            throw reader.Defect($"rows of whole {type} blocks ({blockValues} values)", $"[{string.Join(", ", shape)}]");
        ulong offset = reader.UInt64();
        if (offset % (uint)alignment != 0)
            throw reader.Defect($"an offset that is a multiple of {alignment}", $"{offset}");
        if (offset > long.MaxValue / 2) throw reader.Defect("an offset inside the file", $"{offset}");
        return new(name, type, shape, (long)offset, sizeBytes);
    }

    static int ReadDimension(ref GgufReader reader)
    {
        ulong size = reader.UInt64();
        if (size is 0 or > int.MaxValue) throw reader.Defect($"dimensions from 1 to {int.MaxValue}", $"{(long)size}");
        return (int)size;
    }

    /// <summary>Maps the data of the entries, which must lie inside the file and not overlap.</summary>
    void AddTensors(MappedFile map, TensorEntry[] entries, long dataStart)
    {
        Array.Sort(entries, (a, b) => a.Offset.CompareTo(b.Offset));
        long end = 0;
        foreach (TensorEntry entry in entries)
        {
            if (entry.Offset < end)
                throw Defect($"data at offset {end} or later", $"{entry.Offset}, inside another tensor");
            end = entry.Offset + entry.SizeBytes;
            if (end > map.Length - dataStart)
                throw Defect($"{end:N0} bytes of tensor data", $"{Math.Max(0, map.Length - dataStart):N0}: cut short");
            var tensor = new CheckpointTensor(map.Path, entry.Name, entry.Type, entry.Shape,
                map.Bytes.Slice(dataStart + entry.Offset, entry.SizeBytes));
            if (!_tensors.TryAdd(entry.Name, tensor))
                throw Defect("every tensor name once", "the name twice");

            ModelLoadException Defect(string expected, string found) => new(map.Path, entry.Name, expected, found);
        }
    }

    static long AlignUp(long position, int alignment) => (position + alignment - 1) & -(long)alignment;

    readonly record struct TensorEntry(string Name, GgmlType Type, int[] Shape, long Offset, long SizeBytes);
}
