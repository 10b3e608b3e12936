using System.Text.Json;
using Vllm.Engine.KvCache;
using Vllm.Tests;

namespace Vllm.Engine.Tests.KvCache;

/// <summary>Hashes recorded from vLLM, for requests without adapters and images.</summary>
public class BlockHasherTests
{
    static readonly Dictionary<string, JsonElement> Cases =
        Fixtures.Lines(Path.Combine(Fixtures.Family("scheduler"), "block_hashes.jsonl"))
            .Where(c => c.GetProperty("hash_algo").GetString() == "sha256_cbor"
                && c.GetProperty("lora").ValueKind == JsonValueKind.Null
                && c.GetProperty("mm_features").GetArrayLength() == 0)
            .ToDictionary(c => c.GetProperty("name").GetString()!);

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names))]
    public void Hash_EqualsTheRecord(string name)
    {
        JsonElement expected = Cases[name];
        int blockSize = expected.GetProperty("block_size").GetInt32();
        int[] tokenIds = [.. Ints(expected, "prompt_token_ids"), .. Ints(expected, "appended_token_ids")];
        string? seed = expected.GetProperty("pythonhashseed").GetString();
        string? salt = expected.GetProperty("cache_salt").GetString();

        var hasher = seed is null ? new BlockHasher(blockSize) : new BlockHasher(blockSize, seed);
        var hashes = new List<BlockHash>();
        for (int i = 0; i < tokenIds.Length / blockSize; i++)
        {
            ReadOnlySpan<int> block = tokenIds.AsSpan(i * blockSize, blockSize);
            hashes.Add(i == 0 ? hasher.Hash(hasher.Root, block, salt) : hasher.Hash(hashes[^1], block, null));
        }

        Assert.Equal(expected.GetProperty("none_hash").GetString(), hasher.Root.ToString());
        Assert.Equal(
            expected.GetProperty("block_hashes").EnumerateArray().Select(h => h.GetString()),
            hashes.Select(h => h.ToString()));
    }

    [Fact]
    public void Hash_TakesSaltsOfAnyLength()
    {
        var hasher = new BlockHasher(blockSize: 1);
        string salt = new('ä', 100_000);

        Assert.Equal(hasher.Hash(hasher.Root, [7], salt), new BlockHasher(blockSize: 1).Hash(hasher.Root, [7], salt));
        Assert.NotEqual(hasher.Hash(hasher.Root, [7], salt), hasher.Hash(hasher.Root, [7], salt + "."));
    }

    [Fact]
    public void Hash_AllocatesNothing()
    {
        var hasher = new BlockHasher(blockSize: 16);
        int[] tokenIds = [.. Enumerable.Range(0, 16)];
        hasher.Hash(hasher.Root, tokenIds, "salt");

        long before = GC.GetAllocatedBytesForCurrentThread();
        hasher.Hash(hasher.Root, tokenIds, "salt");

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    static IEnumerable<int> Ints(JsonElement element, string key) =>
        element.GetProperty(key).EnumerateArray().Select(v => v.GetInt32());
}
