using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Vllm.Kernels.Memory;

namespace Vllm.Models.Loading;

enum GgufValueType : uint
{
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
}

/// <summary>
/// Key-value section of a GGUF file. Opening only walks over the values (a vocabulary has 100,000 strings that many
/// callers never look at); a value is decoded when it is first asked for, which needs the file still open.
/// </summary>
sealed class GgufMetadata : IReadOnlyDictionary<string, object>
{
    /// <summary>Nothing known nests arrays at all; the limit keeps the stack small.</summary>
    const int MaxArrayDepth = 4;

    readonly Dictionary<string, Entry> _entries;
    readonly MappedBytes _header;
    readonly string _file;

    /// <summary>Reads <paramref name="count"/> entries, leaving the reader behind them.</summary>
    public GgufMetadata(string file, MappedBytes header, int count, ref GgufReader reader)
    {
        (_file, _header, _entries) = (file, header, new(count, StringComparer.Ordinal));
        for (int i = 0; i < count; i++)
        {
            reader.Subject = $"metadata entry {i}";
            string key = reader.String();
            reader.Subject = key;
            var type = (GgufValueType)reader.UInt32();
            if (!_entries.TryAdd(key, new(type, reader.Position)))
                throw reader.Defect("every key once", "the key twice");
            Skip(ref reader, type, depth: 0);
        }
    }

    public int Count => _entries.Count;

    public IEnumerable<string> Keys => _entries.Keys;

    public IEnumerable<object> Values => _entries.Keys.Select(key => this[key]);

    public object this[string key] => TryGetValue(key, out object? value)
        ? value
        : throw new KeyNotFoundException($"{_file} has no metadata key {key}");

    public bool ContainsKey(string key) => _entries.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out object value)
    {
        value = null;
        if (!_entries.TryGetValue(key, out Entry? entry)) return false;
        value = entry.Value ??= Decode(entry);
        return true;
    }

    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() =>
        _entries.Keys.Select(key => KeyValuePair.Create(key, this[key])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    static void Skip(ref GgufReader reader, GgufValueType type, int depth)
    {
        if (type == GgufValueType.String) reader.SkipString();
        else if (type == GgufValueType.Array) SkipArray(ref reader, depth);
        else reader.Take((ulong)SizeBytes(ref reader, type));
    }

    static void SkipArray(ref GgufReader reader, int depth)
    {
        if (depth == MaxArrayDepth) throw reader.Defect($"arrays nested at most {MaxArrayDepth} deep", "a deeper one");
        var type = (GgufValueType)reader.UInt32();
        int count = reader.Count(SizeBytes(ref reader, type));
        if (type is GgufValueType.String)
            for (int i = 0; i < count; i++) reader.SkipString();
        else if (type is GgufValueType.Array)
            for (int i = 0; i < count; i++) SkipArray(ref reader, depth + 1);
        else
            reader.Take((ulong)count * (ulong)SizeBytes(ref reader, type));
    }

    /// <summary>Size of a scalar, least size of a string (its length) or an array (element type and length).</summary>
    static int SizeBytes(ref GgufReader reader, GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        GgufValueType.String => 8,
        GgufValueType.Array => 12,
        _ => throw reader.Defect("a value type of 0 to 12", $"{(uint)type}"),
    };

    object Decode(Entry entry)
    {
        var reader = new GgufReader(_file, _header.Span(0, (int)_header.Length), entry.Position);
        return Decode(ref reader, entry.Type);
    }

    static object Decode(ref GgufReader reader, GgufValueType type) => type switch
    {
        GgufValueType.UInt8 => reader.Byte(),
        GgufValueType.Int8 => (sbyte)reader.Byte(),
        GgufValueType.UInt16 => MemoryMarshal.Read<ushort>(reader.Take(2)),
        GgufValueType.Int16 => MemoryMarshal.Read<short>(reader.Take(2)),
        GgufValueType.UInt32 => reader.UInt32(),
        GgufValueType.Int32 => (int)reader.UInt32(),
        GgufValueType.Float32 => MemoryMarshal.Read<float>(reader.Take(4)),
        GgufValueType.Bool => reader.Byte() != 0,
        GgufValueType.String => reader.String(),
        GgufValueType.UInt64 => reader.UInt64(),
        GgufValueType.Int64 => (long)reader.UInt64(),
        GgufValueType.Float64 => MemoryMarshal.Read<double>(reader.Take(8)),
        _ => DecodeArray(ref reader),
    };

    static object DecodeArray(ref GgufReader reader)
    {
        var type = (GgufValueType)reader.UInt32();
        int count = (int)reader.UInt64();
        return type switch
        {
            GgufValueType.UInt8 => Numbers<byte>(ref reader, count, 1),
            GgufValueType.Int8 => Numbers<sbyte>(ref reader, count, 1),
            GgufValueType.UInt16 => Numbers<ushort>(ref reader, count, 2),
            GgufValueType.Int16 => Numbers<short>(ref reader, count, 2),
            GgufValueType.UInt32 => Numbers<uint>(ref reader, count, 4),
            GgufValueType.Int32 => Numbers<int>(ref reader, count, 4),
            GgufValueType.Float32 => Numbers<float>(ref reader, count, 4),
            GgufValueType.UInt64 => Numbers<ulong>(ref reader, count, 8),
            GgufValueType.Int64 => Numbers<long>(ref reader, count, 8),
            GgufValueType.Float64 => Numbers<double>(ref reader, count, 8),
            GgufValueType.Bool => Array.ConvertAll(Numbers<byte>(ref reader, count, 1), value => value != 0),
            GgufValueType.String => Items<string>(ref reader, count, type),
            _ => Items<object>(ref reader, count, type),
        };
    }

    static T[] Numbers<T>(ref GgufReader reader, int count, int sizeBytes) where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(reader.Take((ulong)count * (ulong)sizeBytes)).ToArray();

    static T[] Items<T>(ref GgufReader reader, int count, GgufValueType type)
    {
        var items = new T[count];
        for (int i = 0; i < count; i++) items[i] = (T)Decode(ref reader, type);
        return items;
    }

    sealed class Entry(GgufValueType type, int position)
    {
        public GgufValueType Type { get; } = type;

        public int Position { get; } = position;

        public object? Value { get; set; }
    }
}
