using System.Text;

namespace Vllm.Text.Tests.Tokenization;

/// <summary>Just the metadata of a GGUF file, little-endian, version 2 or 3.</summary>
static class GgufMetadataReader
{
    public static Dictionary<string, object> Read(Stream stream)
    {
        using var reader = new BinaryReader(stream);
        Assert.Equal("GGUF", Encoding.ASCII.GetString(reader.ReadBytes(4)));
        reader.ReadUInt32();
        reader.ReadUInt64();
        ulong numKeys = reader.ReadUInt64();
        var metadata = new Dictionary<string, object>();
        for (ulong i = 0; i < numKeys; i++)
        {
            string key = ReadString(reader);
            metadata[key] = ReadValue(reader, reader.ReadUInt32());
        }
        return metadata;
    }

    static string ReadString(BinaryReader reader) =>
        Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));

    static object ReadValue(BinaryReader reader, uint type) => type switch
    {
        0 => reader.ReadByte(),
        1 => reader.ReadSByte(),
        2 => reader.ReadUInt16(),
        3 => reader.ReadInt16(),
        4 => reader.ReadUInt32(),
        5 => reader.ReadInt32(),
        6 => reader.ReadSingle(),
        7 => reader.ReadBoolean(),
        8 => ReadString(reader),
        9 => ReadArray(reader),
        10 => reader.ReadUInt64(),
        11 => reader.ReadInt64(),
        12 => reader.ReadDouble(),
        _ => throw new InvalidDataException($"GGUF value type {type}"),
    };

    static Array ReadArray(BinaryReader reader)
    {
        uint type = reader.ReadUInt32();
        ulong length = reader.ReadUInt64();
        object[] values = new object[length];
        for (ulong i = 0; i < length; i++) values[i] = ReadValue(reader, type);
        if (length == 0) return Array.Empty<string>();
        var array = Array.CreateInstance(values[0].GetType(), values.Length);
        Array.Copy(values, array, values.Length);
        return array;
    }
}
