using Vllm.Tests;

namespace Vllm.Engine.Tests;

/// <summary>Options of cache and scheduler that are refused before anything is loaded, each with its name.</summary>
public class EngineOptionsTests
{
    static readonly EngineOptions Options = new()
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        MaxModelLen = 256,
        MaxNumSeqs = 4,
    };

    public static TheoryData<string, EngineOptions> WrongOptions => new()
    {
        { "kv_offloading_size", Options with { KvOffloadingSize = 0 } },
        { "kv_offloading_size", Options with { KvOffloadingSize = -1 } },
        { "kv_offloading_size", Options with { KvOffloadingSize = double.NaN } },
        { "kv_offloading_size", Options with { KvOffloadingSize = double.PositiveInfinity } },
        { "kv_offloading_size", Options with { KvOffloadingSize = 1, EnablePrefixCaching = false } },
        { "kv_offloading_dtype", Options with { KvOffloadingSize = 1, KvOffloadingDtype = "int4" } },
        { "kv_offloading_dtype", Options with { KvCacheDtype = "fp8", KvOffloadingSize = 1, KvOffloadingDtype = "int8_per_token_head" } },
        { "kv_cache_dtype", Options with { KvCacheDtype = "float16" } },
        { "long_prefill_token_threshold", Options with { LongPrefillTokenThreshold = -1 } },
        { "max_num_batched_tokens", Options with { MaxNumBatchedTokens = 0 } },
        { "watermark", Options with { Watermark = 1 } },
        { "watermark", Options with { Watermark = double.NaN } },
        { "num_gpu_blocks_override", Options with { NumGpuBlocksOverride = 1 } },
    };

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void Validate_NamesTheOption(string name, EngineOptions options) =>
        Assert.Contains(name, Assert.Single(options.Validate()), StringComparison.Ordinal);

    [Fact]
    public void MaxNumBatchedTokens_FollowsTheOtherOptions()
    {
        Assert.Equal(512, Options.ResolvedMaxNumBatchedTokens);
        Assert.Equal(1000, (Options with { MaxNumSeqs = 1000 }).ResolvedMaxNumBatchedTokens);
        Assert.Equal(256, (Options with { EnableChunkedPrefill = false }).ResolvedMaxNumBatchedTokens);
        Assert.Equal(100, (Options with { MaxNumBatchedTokens = 100 }).ResolvedMaxNumBatchedTokens);
    }

    [Theory]
    [InlineData("model.layers.3.self_attn.k_scale", true)]
    [InlineData("model.layers.3.self_attn.v_proj.v_scale", true)]
    [InlineData("model.layers.3.self_attn.kv_scale", true)]
    [InlineData("model.layers.3.self_attn.k_proj.weight_scale", false)]
    [InlineData("model.layers.3.self_attn.k_proj.weight", false)]
    public void IsKvScale_KnowsTheNames(string tensor, bool isScale) => Assert.Equal(isScale, EngineLoader.IsKvScale(tensor));

    /// <summary>8 bits take half of bfloat16's bytes, and a scale of 4 more for 64 elements.</summary>
    [Theory]
    [InlineData("fp8_e5m2", 0.5)]
    [InlineData("int8_per_token_head", 0.5 * (64 + 4) / 64)]
    public void Load_SizesTheCacheByItsType(string dtype, double share)
    {
        LoadedEngine bfloat16 = EngineLoader.Load(Options, progress: null);
        LoadedEngine other = EngineLoader.Load(Options with { KvCacheDtype = dtype }, progress: null);
        using (bfloat16.Runner)
        using (other.Runner)
        {
            Assert.Equal(bfloat16.Config.NumBlocks, other.Config.NumBlocks);
            Assert.Equal(bfloat16.Config.KvCacheBytes * share, other.Config.KvCacheBytes);
        }
    }

    [Theory]
    [InlineData(1 << 20, "the machine has")]
    [InlineData(1e-6, "one block takes")]
    public void Load_RefusesAHostTierThatCannotBe(double gib, string reason)
    {
        var thrown = Assert.Throws<ArgumentException>(
            () => EngineLoader.Load(Options with { KvOffloadingSize = gib }, progress: null));

        Assert.Contains(reason, thrown.Message, StringComparison.Ordinal);
    }
}
