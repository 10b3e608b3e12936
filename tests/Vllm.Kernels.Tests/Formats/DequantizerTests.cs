using System.Buffers.Binary;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Vllm.Kernels.Formats;

namespace Vllm.Tests.Formats;

public class DequantizerTests
{
    static string Folder => Path.Combine(Fixtures.Family("gguf"), "blocks");

    public static TheoryData<string, int, int> Cases()
    {
        var cases = new TheoryData<string, int, int>();
        foreach (JsonElement record in Fixtures.Lines(Path.Combine(Folder, "cases.jsonl")))
            cases.Add(record.GetProperty("name").GetString()!,
                record.GetProperty("type_id").GetInt32(), record.GetProperty("blocks").GetInt32());
        return cases;
    }

    public static TheoryData<Type> BlockTypes() =>
    [
        .. typeof(Dequantizer).Assembly.GetTypes().Where(type => type.IsValueType && type.GetInterfaces()
            .Any(contract => contract.IsGenericType && contract.GetGenericTypeDefinition() == typeof(IQuantBlock<>))),
    ];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Cases))]
    public void Dequantize_EqualsReference(string name, int typeNumber, int numBlocks)
    {
        var type = (GgmlType)typeNumber;
        Assert.SkipUnless(Dequantizer.IsSupported(type), $"{type} is not supported");
        Dictionary<string, byte[]> tensors = ReadTensors(Path.Combine(Folder, name + ".safetensors"));
        ReadOnlySpan<float> expected = MemoryMarshal.Cast<byte, float>(tensors["expected"]);
        Assert.Equal((long)numBlocks * GgmlTypes.Block(type).SizeBytes, tensors["raw"].Length);

        var values = new float[expected.Length];
        Dequantizer.Dequantize(type, tensors["raw"], values);

        for (int i = 0; i < values.Length; i++)
            Assert.True(values[i].Equals(expected[i]), $"value {i}: expected {expected[i]:R}, found {values[i]:R}");
    }

    [Theory]
    [MemberData(nameof(BlockTypes))]
    public void Block_HasTheFormatsSize(Type block)
    {
        var type = (GgmlType)block.GetProperty("Type")!.GetValue(null)!;
        var numValues = (int)block.GetProperty("NumValues")!.GetValue(null)!;
        MethodInfo sizeOf = typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(block);

        Assert.Equal($"Block{type}", block.Name);
        Assert.Equal(GgmlTypes.Block(type), (numValues, (int)sizeOf.Invoke(null, null)!));
        Assert.True(Dequantizer.IsSupported(type));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(65)]
    public void WidenF16_EqualsScalarConversion(int count)
    {
        for (int first = 0; first + count <= 0x10000; first += 61)
        {
            ushort[] halves = [.. Enumerable.Range(first, count).Select(bits => (ushort)bits)];
            var values = new float[count];
            Dequantizer.Dequantize(GgmlType.F16, MemoryMarshal.AsBytes(halves.AsSpan()), values);

            for (int i = 0; i < count; i++)
                Assert.Equal((float)BitConverter.UInt16BitsToHalf(halves[i]), values[i]);
        }
    }

    [Fact]
    public void Dequantize_RefusesPartOfABlock()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantize(numBytes: 18, numValues: 31));
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantize(numBytes: 17, numValues: 32));

        static void Dequantize(int numBytes, int numValues) =>
            Dequantizer.Dequantize(GgmlType.Q4_0, new byte[numBytes], new float[numValues]);
    }

    [Fact]
    public void Dequantize_NamesTypeWithoutConversion()
    {
        GgmlType type = Enum.GetValues<GgmlType>().First(type => !Dequantizer.IsSupported(type));

        var refusal = Assert.Throws<NotSupportedException>(() => Dequantizer.Dequantize(type, [], []));

        Assert.Contains(type.ToString(), refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>The product's safetensors reader is a project above this one; well-formed fixtures need less.</summary>
    static Dictionary<string, byte[]> ReadTensors(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int dataStart = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, dataStart - 8));
        return header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__").ToDictionary(
            entry => entry.Name,
            entry =>
            {
                JsonElement offsets = entry.Value.GetProperty("data_offsets");
                return file[(dataStart + offsets[0].GetInt32())..(dataStart + offsets[1].GetInt32())];
            });
    }
}
