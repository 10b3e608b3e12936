using System.Text;
using Vllm.Kernels.Formats;

namespace Vllm.Tests.Loading;

/// <summary>Writes small GGUF files: metadata and tensors in the order added, data seeded by the index.</summary>
sealed class GgufBuilder(uint version = 3)
{
    const int Alignment = 32;

    readonly List<(string Key, byte[] Bytes)> _entries = [];
    readonly List<byte[]> _tensors = [];
    readonly MemoryStream _data = new();

    /// <summary>A sound llama model of one layer with two heads and a vocabulary of six.</summary>
    public static GgufBuilder Llama(int headDim = 2) => new GgufBuilder()
        .Text("general.architecture", "llama")
        .UInt32("llama.block_count", 1)
        .UInt32("llama.context_length", 64)
        .UInt32("llama.embedding_length", 4)
        .UInt32("llama.feed_forward_length", 8)
        .UInt32("llama.attention.head_count", 2)
        .UInt32("llama.attention.key_length", (uint)headDim)
        .Float32("llama.rope.freq_base", 10_000)
        .Float32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
        .Text("tokenizer.ggml.model", "gpt2")
        .Texts("tokenizer.ggml.tokens", "<s>", "a", "b", "c", "ab", "abc")
        .Texts("tokenizer.ggml.merges", "a b", "ab c")
        .UInt32("tokenizer.ggml.eos_token_id", 0)
        .Tensor("token_embd.weight", GgmlType.F32, 6, 4)
        .Tensor("output_norm.weight", GgmlType.F32, 4)
        .Tensor("blk.0.attn_norm.weight", GgmlType.F32, 4)
        .Tensor("blk.0.attn_q.weight", GgmlType.F16, 2 * headDim, 4)
        .Tensor("blk.0.attn_q.bias", GgmlType.F32, 2 * headDim)
        .Tensor("blk.0.attn_k.weight", GgmlType.F32, 2 * headDim, 4)
        .Tensor("blk.0.attn_v.weight", GgmlType.BF16, 2 * headDim, 4)
        .Tensor("blk.0.attn_output.weight", GgmlType.F32, 4, 2 * headDim)
        .Tensor("blk.0.ffn_norm.weight", GgmlType.F32, 4)
        .Tensor("blk.0.ffn_gate.weight", GgmlType.F32, 8, 4)
        .Tensor("blk.0.ffn_up.weight", GgmlType.F32, 8, 4)
        .Tensor("blk.0.ffn_down.weight", GgmlType.F32, 4, 8);

    public GgufBuilder Text(string key, string value) => Entry(key, 8, writer => WriteText(writer, value));

    public GgufBuilder UInt32(string key, uint value) => Entry(key, 4, writer => writer.Write(value));

    public GgufBuilder Float32(string key, float value) => Entry(key, 6, writer => writer.Write(value));

    public GgufBuilder Texts(string key, params string[] values) => Entry(key, 9, writer =>
    {
        writer.Write(8u);
        writer.Write((ulong)values.Length);
        foreach (string value in values) WriteText(writer, value);
    });

    /// <summary>A value of any type, given as the bytes behind the type number.</summary>
    public GgufBuilder Entry(string key, uint type, Action<BinaryWriter> writeValue)
    {
        _entries.Add((key, Bytes(writer =>
        {
            WriteText(writer, key);
            writer.Write(type);
            writeValue(writer);
        })));
        return this;
    }

    public GgufBuilder Without(string key)
    {
        _entries.RemoveAll(entry => entry.Key == key);
        return this;
    }

    public GgufBuilder Tensor(string name, GgmlType type, params int[] shape)
    {
        int numRows = shape.SkipLast(1).Aggregate(1, (product, size) => product * size);
        var data = new byte[numRows * GgmlTypes.RowSizeBytes(type, shape[^1])];
        new Random(_tensors.Count).NextBytes(data);
        while (_data.Length % Alignment != 0) _data.WriteByte(0);
        _tensors.Add(Bytes(writer =>
        {
            WriteText(writer, name);
            writer.Write(shape.Length);
            foreach (int size in shape.Reverse()) writer.Write((long)size);
            writer.Write((int)type);
            writer.Write(_data.Length);
        }));
        _data.Write(data);
        return this;
    }

    public byte[] Build() => Bytes(writer =>
    {
        writer.Write("GGUF"u8);
        writer.Write(version);
        writer.Write((long)_tensors.Count);
        writer.Write((long)_entries.Count);
        foreach (byte[] part in _entries.Select(entry => entry.Bytes).Concat(_tensors)) writer.Write(part);
        while (writer.BaseStream.Position % Alignment != 0) writer.Write((byte)0);
        writer.Write(_data.ToArray());
    });

    static void WriteText(BinaryWriter writer, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        writer.Write((long)utf8.Length);
        writer.Write(utf8);
    }

    static byte[] Bytes(Action<BinaryWriter> write)
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        write(writer);
        writer.Flush();
        return stream.ToArray();
    }
}
