using System.Runtime.InteropServices;
using System.Text.Json;

namespace Vllm.Tests.Sampling;

/// <summary>The tensors beside a recorded case, read whole.</summary>
sealed class SafeTensorsFile
{
    readonly byte[] _bytes;
    readonly JsonElement _header;
    readonly int _start;

    public SafeTensorsFile(string path)
    {
        _bytes = File.ReadAllBytes(path);
        int length = (int)BitConverter.ToInt64(_bytes);
        _header = JsonDocument.Parse(_bytes.AsMemory(8, length)).RootElement;
        _start = 8 + length;
    }

    public bool Contains(string name) => _header.TryGetProperty(name, out _);

    public int[] Shape(string name) =>
        [.. _header.GetProperty(name).GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())];

    public float[] Floats(string name) => Read<float>(name, "F32");

    public float[] BFloat16s(string name) =>
        [.. Read<ushort>(name, "BF16").Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))];

    public int[] Ints(string name) =>
        Dtype(name) == "I64" ? [.. Read<long>(name, "I64").Select(v => (int)v)] : Read<int>(name, "I32");

    string Dtype(string name) => _header.GetProperty(name).GetProperty("dtype").GetString()!;

    T[] Read<T>(string name, string dtype)
        where T : unmanaged
    {
        Assert.Equal(dtype, Dtype(name));
        JsonElement offsets = _header.GetProperty(name).GetProperty("data_offsets");
        int start = offsets[0].GetInt32(), end = offsets[1].GetInt32();
        return MemoryMarshal.Cast<byte, T>(_bytes.AsSpan(_start + start, end - start)).ToArray();
    }
}
