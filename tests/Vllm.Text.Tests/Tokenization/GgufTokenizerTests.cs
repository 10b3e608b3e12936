using System.Text;
using System.Text.Json;
using Vllm.Tests;
using Vllm.Text.Tokenization;
using Vllm.Text.Tokenization.Gguf;

namespace Vllm.Text.Tests.Tokenization;

public class GgufTokenizerTests
{
    public static TheoryData<string> Folders => TokenizerFixtures.FoldersOf("gguf-gpt2", "gguf-llama");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void Cases_AreExact(string folder)
    {
        Tokenizer tokenizer = TokenizerFixtures.Load(folder);

        List<string> failures = Run(tokenizer, folder, out int numCases);

        TokenizerFixtures.AssertNone(failures, numCases);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void Flags_AreThoseOfLlamaCpp(string folder)
    {
        JsonElement meta = TokenizerFixtures.Meta(folder);
        Tokenizer tokenizer = TokenizerFixtures.Load(folder);

        Assert.Equal(meta.GetProperty("vocab_size").GetInt32(), tokenizer.VocabSize);
        Assert.Equal(meta.GetProperty("bos_id").GetInt32(), tokenizer.BosTokenId);
        Assert.Equal(meta.GetProperty("eos_id").GetInt32(), tokenizer.EosTokenId);
        Assert.Equal(meta.GetProperty("add_bos").GetBoolean(), tokenizer.AddsBos);
    }

    [Fact]
    public void PreTokenizerAliases_GiveTheSameCases()
    {
        string path = Fixtures.FindFile("tokenizers", "gguf_pre_aliases.json");
        if (!File.Exists(path)) Assert.Skip("no aliases recorded");
        var failures = new List<string>();
        int numAliases = 0;
        foreach (JsonElement alias in JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("aliases").EnumerateArray())
        {
            string? name = alias.GetProperty("pre").GetString();
            string folder = "gguf-gpt2-" + alias.GetProperty("same_as").GetString();
            Dictionary<string, object> metadata = TokenizerFixtures.GgufMetadata(folder);
            metadata.Remove("tokenizer.ggml.pre");
            if (name is not null) metadata["tokenizer.ggml.pre"] = name;
            numAliases++;

            List<string> failed = Run(Tokenizer.FromGguf(metadata), folder, out int numCases);

            if (failed.Count > 0) failures.Add($"{name}: {failed.Count} of {numCases}, first {failed[0]}");
        }
        TokenizerFixtures.AssertNone(failures, numAliases);
    }

    static List<string> Run(Tokenizer tokenizer, string folder, out int numCases)
    {
        var failures = new List<string>();
        numCases = 0;
        foreach (JsonElement test in TokenizerFixtures.Cases(folder))
        {
            numCases++;
            if (Check(tokenizer, test) is { } problem)
                failures.Add($"{test.GetProperty("name").GetString()}: {problem}");
        }
        return failures;
    }

    static string? Check(Tokenizer tokenizer, JsonElement test)
    {
        int[] expected = TokenizerFixtures.Ints(test.GetProperty("ids"));
        int[] ids = tokenizer.Encode(
            test.GetProperty("text").GetString()!,
            test.GetProperty("add_special_tokens").GetBoolean(),
            test.GetProperty("parse_special").GetBoolean());
        if (!ids.SequenceEqual(expected)) return $"ids {Show(ids)} for {Show(expected)}";
        if (!test.IsNull("tokens") && !test.GetProperty("tokens").EnumerateArray().Select(t => t.GetString())
            .SequenceEqual(ids.Select(tokenizer.IdToToken))) return "tokens";
        return CheckText(tokenizer, test, expected, "decoded", false)
            ?? CheckText(tokenizer, test, expected, "decoded_skip_special_tokens", true);
    }

    static string? CheckText(Tokenizer tokenizer, JsonElement test, int[] ids, string field, bool skipsSpecial)
    {
        byte[] bytes = ((GgufTokenizer)tokenizer).DecodeToBytes(ids, skipsSpecial).ToArray();
        byte[] expected = test.IsNull(field)
            ? Convert.FromHexString(test.GetProperty(field + "_hex").GetString()!)
            : Encoding.UTF8.GetBytes(test.GetProperty(field).GetString()!);
        return bytes.SequenceEqual(expected)
            ? null
            : $"{field} '{Encoding.UTF8.GetString(bytes)}' for '{Encoding.UTF8.GetString(expected)}'";
    }

    static string Show(int[] ids) => string.Join(' ', ids.Take(60));
}
