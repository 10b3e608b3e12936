using System.Text.Json;
using Vllm.Text.Tokenization;

namespace Vllm.Text.Tests.Tokenization;

public class HuggingFaceTokenizerTests
{
    public static TheoryData<string> Folders => TokenizerFixtures.FoldersOf("byte-level-bpe", "bpe-byte-fallback");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void Cases_AreExact(string folder)
    {
        Tokenizer tokenizer = TokenizerFixtures.Load(folder);
        var failures = new List<string>();
        int numCases = 0;
        foreach (JsonElement test in TokenizerFixtures.Cases(folder))
        {
            numCases++;
            if (Check(tokenizer, test) is { } problem)
                failures.Add($"{test.GetProperty("name").GetString()}: {problem}");
        }
        Assert.Equal(TokenizerFixtures.Meta(folder).GetProperty("vocab_size").GetInt32(), tokenizer.VocabSize);

        TokenizerFixtures.AssertNone(failures, numCases);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void PairCases_AreExact(string folder)
    {
        Tokenizer tokenizer = TokenizerFixtures.Load(folder);
        var failures = new List<string>();
        int numCases = 0;
        foreach (JsonElement test in TokenizerFixtures.Cases(folder, "pair_cases.jsonl.gz"))
        {
            numCases++;
            TokenEncoding encoding = tokenizer.EncodeWithOffsets(
                test.GetProperty("text").GetString()!, test.GetProperty("pair").GetString(),
                test.GetProperty("add_special_tokens").GetBoolean());
            if (CheckEncoding(encoding, test) is { } problem)
                failures.Add($"{test.GetProperty("name").GetString()}: {problem}");
        }

        TokenizerFixtures.AssertNone(failures, numCases);
    }

    static string? Check(Tokenizer tokenizer, JsonElement test)
    {
        string text = test.GetProperty("text").GetString()!;
        bool addsSpecial = test.GetProperty("add_special_tokens").GetBoolean();
        int[] expected = TokenizerFixtures.Ints(test.GetProperty("ids"));
        int[] ids = tokenizer.Encode(text, addsSpecial);
        if (!ids.SequenceEqual(expected)) return $"ids {Show(ids)} for {Show(expected)}";
        if (CheckEncoding(tokenizer.EncodeWithOffsets(text, null, addsSpecial), test) is { } problem) return problem;
        return CheckText(test, "decoded", tokenizer.Decode(expected))
            ?? CheckText(test, "decoded_skip_special_tokens", tokenizer.Decode(expected, skipSpecialTokens: true));
    }

    static string? CheckEncoding(TokenEncoding encoding, JsonElement test)
    {
        if (!encoding.Ids.SequenceEqual(TokenizerFixtures.Ints(test.GetProperty("ids")))) return "ids with offsets";
        if (!test.IsNull("tokens")
            && !encoding.Tokens.SequenceEqual(test.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)))
            return "tokens";
        if (!test.IsNull("offsets"))
        {
            (int, int)[] offsets =
                [.. test.GetProperty("offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32()))];
            if (!encoding.Offsets.SequenceEqual(offsets)) return $"offsets {Show(encoding.Offsets)} for {Show(offsets)}";
        }
        if (!test.IsNull("type_ids")
            && !encoding.TypeIds.SequenceEqual(TokenizerFixtures.Ints(test.GetProperty("type_ids")))) return "type ids";
        if (!test.IsNull("special_tokens_mask")
            && !encoding.SpecialTokensMask.SequenceEqual(TokenizerFixtures.Ints(test.GetProperty("special_tokens_mask")))) return "special tokens mask";
        if (!test.IsNull("sequence_ids")
            && !encoding.SequenceIds.SequenceEqual(test.GetProperty("sequence_ids").EnumerateArray()
            .Select(s => s.ValueKind == JsonValueKind.Null ? (int?)null : s.GetInt32()))) return "sequence ids";
        return null;
    }

    static string? CheckText(JsonElement test, string field, string text) =>
        test.GetProperty(field).GetString() is { } expected && expected != text ? $"{field} '{text}' for '{expected}'"
            : null;

    static string Show<T>(IReadOnlyList<T> values) => string.Join(' ', values.Take(40));
}
