using System.Text.Json;
using Vllm.Engine.KvCache;
using Vllm.Tests;

namespace Vllm.Engine.Tests.KvCache;

/// <summary>vLLM's KV cache sizes and start-up errors, for models with one kind of full attention in all
/// layers.</summary>
public class KvCacheSizingTests
{
    static readonly Dictionary<string, JsonElement> Cases =
        Fixtures.Lines(Path.Combine(Fixtures.Family("scheduler"), "kv_sizing.jsonl"))
            .Where(c => Layers(c).All(layer => Type(layer) == "full") || Layers(c).All(layer => Type(layer) == "mla"))
            .ToDictionary(c => c.GetProperty("name").GetString()!);

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names))]
    public void Compute_EqualsTheRecord(string name)
    {
        JsonElement expected = Cases[name];
        if (expected.TryGetProperty("error", out JsonElement error))
        {
            var thrown = Assert.Throws<InsufficientMemoryException>(() => Compute(expected));
            Assert.Equal(error.GetString(), thrown.Message);
            return;
        }

        KvCacheSizing sizing = Compute(expected);

        JsonElement group = Assert.Single(expected.GetProperty("groups").EnumerateArray());
        Assert.Equal(Int(expected, "num_blocks"), sizing.NumBlocks);
        Assert.Equal(Int(expected, "kv_cache_size_tokens"), sizing.NumTokens);
        Assert.Equal(Int(expected, "resolved_max_model_len"), sizing.MaxModelLen);
        Assert.Equal(1, sizing.MaxConcurrency / expected.GetProperty("max_concurrency").GetDouble(), 1e-12);
        Assert.Equal(expected.GetProperty("max_concurrency_text").GetString(), sizing.MaxConcurrencyText);
        Assert.Equal(Int(group, "max_blocks_per_request"), sizing.MaxBlocksPerRequest);
        Assert.Equal(Int(group, "block_size"), sizing.BlockSize);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names))]
    public void PageSizeBytes_EqualsTheRecord(string name)
    {
        JsonElement expected = Cases[name];

        Assert.Equal(expected.GetProperty("page_size_bytes_per_entry").EnumerateArray().Select(p => p.GetInt64()),
            Layers(expected).Select(layer => PageSizeBytes(layer, Int(expected, "block_size"))));
    }

    /// <summary>Python rounds to even what lies exactly in the middle.</summary>
    [Theory]
    [InlineData(17, "2.12x")]
    [InlineData(19, "2.38x")]
    [InlineData(16, "2.00x")]
    public void MaxConcurrencyText_RoundsHalfToEven(int numBlocks, string expected) =>
        Assert.Equal(expected, KvCacheSizing.Compute(100 * numBlocks, 100, 16, 8 * 16).MaxConcurrencyText);

    [Theory]
    [InlineData(1)]
    [InlineData(1L << 40)]
    public void Compute_TakesTheOverrideWhateverTheMemory(long availableBytes) => Assert.Equal(
        77, KvCacheSizing.Compute(availableBytes, 100, 16, 8 * 16, numBlocksOverride: 77).NumBlocks);

    [Fact]
    public void Compute_RefusesAnOverrideWithoutRoomForOneRequest() => Assert.Throws<InsufficientMemoryException>(
        () => KvCacheSizing.Compute(1L << 40, 100, 16, 8 * 16, numBlocksOverride: 8));

    static KvCacheSizing Compute(JsonElement c)
    {
        int blockSize = Int(c, "block_size");
        return KvCacheSizing.Compute(
            c.GetProperty("available_memory").GetInt64(),
            Layers(c).Sum(layer => Int(layer, "count") * PageSizeBytes(layer, blockSize)),
            blockSize,
            Int(c, "max_model_len"),
            c.GetProperty("auto_fit_max_model_len").GetBoolean(),
            c.GetProperty("num_gpu_blocks_override") is { ValueKind: JsonValueKind.Number } n ? n.GetInt32() : null);
    }

    static long PageSizeBytes(JsonElement layer, int blockSize)
    {
        int headSize = Int(layer, "head_size");
        int headSizeV = Type(layer) == "mla" ? 0
            : layer.TryGetProperty("head_size_v", out JsonElement v) ? v.GetInt32() : headSize;
        int elementSize = layer.GetProperty("dtype").GetString() switch { "float32" => 4, "uint8" => 1, _ => 2 };
        return KvCacheSizing.PageSizeBytes(blockSize, Int(layer, "num_kv_heads"), headSize, headSizeV, elementSize);
    }

    static IEnumerable<JsonElement> Layers(JsonElement c) => c.GetProperty("layers").EnumerateArray();

    static string? Type(JsonElement layer) => layer.GetProperty("type").GetString();

    static int Int(JsonElement element, string key) => element.GetProperty(key).GetInt32();
}
