using Vllm.Kernels.Formats;
using Vllm.Models.Loading;

namespace Vllm.Tests.Loading;

/// <summary>Whatever happens to the bytes of a small model: it loads, or it is refused; never anything else.</summary>
public class DamagedFileTests
{
    const int NumDamages = 2_000;

    [Fact]
    public void Gguf_LoadsOrIsRefused()
    {
        using var folder = new TempFolder();
        byte[] sound = GgufBuilder.Llama().UInt32("split.count", 1).UInt32("general.alignment", 32).Build();

        DamageMany(sound, damaged =>
        {
            using Checkpoint checkpoint = Checkpoint.Open(folder.Write("model.gguf", damaged));
            Assert.NotEmpty(checkpoint.GgufMetadata!.Values.Select(value => value.ToString()).ToArray());
            ReadAll(checkpoint);
        });
    }

    [Fact]
    public void Safetensors_LoadsOrIsRefused()
    {
        using var folder = new TempFolder();
        byte[] sound = SafetensorsFileTests.Bytes(
            """
            {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
             "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},
             "c":{"dtype":"I64","shape":[],"data_offsets":[32,40]}}
            """, 40);
        folder.Write("config.json", """
            {"architectures":["LlamaForCausalLM"],"hidden_size":4,"intermediate_size":8,
             "num_hidden_layers":1,"num_attention_heads":2,"vocab_size":6}
            """);

        DamageMany(sound, damaged =>
        {
            folder.Write("model.safetensors", damaged);
            using Checkpoint checkpoint = Checkpoint.Open(folder.Path);
            ReadAll(checkpoint);
        });
    }

    [Fact]
    public void Config_LoadsOrIsRefused()
    {
        byte[] sound = """
            {"architectures":["LlamaForCausalLM"],"model_type":"qwen2","hidden_size":64,"intermediate_size":96,
             "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100,
             "rms_norm_eps":1e-05,
             "rope_scaling":{"rope_type":"longrope","short_factor":[1,2],"long_factor":[1.5,-Infinity]},"head_dim":4,
             "sliding_window":5,"use_sliding_window":true,"max_window_layers":1,"eos_token_id":[1,2],"dtype":"bfloat16"}
            """u8.ToArray();

        DamageMany(sound, damaged => HfModelConfig.Read(ConfigObject.Parse("config.json", damaged)));
    }

    static void ReadAll(Checkpoint checkpoint)
    {
        foreach (CheckpointTensor tensor in checkpoint.Tensors)
            if (Dequantizer.IsSupported(tensor.Type))
                Assert.Equal((long)tensor.NumRows * tensor.RowLength, tensor.ToArray().Length);
    }

    static void DamageMany(byte[] sound, Action<byte[]> load)
    {
        for (int seed = 0; seed < NumDamages; seed++)
        {
            byte[] damaged = Damage(sound, new Random(seed));
            Exception? exception = Record.Exception(() => Bounded.Run(() => load(damaged)));
            Assert.True(exception is null, $"seed {seed}: {exception}");
        }
    }

    /// <summary>A cut, a few flipped bytes, or eight bytes that make a large number.</summary>
    static byte[] Damage(byte[] sound, Random random)
    {
        byte[] damaged = random.Next(4) == 0 ? sound[..random.Next(sound.Length)] : [.. sound];
        if (damaged.Length < 9) return damaged;
        for (int i = random.Next(4); i > 0; i--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
        if (random.Next(3) == 0) random.NextBytes(damaged.AsSpan(random.Next(damaged.Length - 8), 8));
        return damaged;
    }
}
