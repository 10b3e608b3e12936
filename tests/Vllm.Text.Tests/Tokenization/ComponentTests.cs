using System.Text;
using System.Text.Json;
using Vllm.Tests;
using Vllm.Text.Tokenization;
using Vllm.Text.Tokenization.Json;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tests.Tokenization;

public class ComponentTests
{
    static readonly Dictionary<string, Func<JsonElement, string?>> Checks = new()
    {
        ["normalizers"] = CheckNormalizer,
        ["pre_tokenizers"] = CheckPreTokenizer,
        ["decoders"] = CheckDecoder,
    };

    public static TheoryData<string> Files => [.. Checks.Keys];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Cases_AreExact(string file)
    {
        var failures = new List<string>();
        int numCases = 0;
        string path = Path.Combine(Fixtures.Family("tokenizers"), "components", file + ".jsonl.gz");
        foreach (JsonElement test in Fixtures.Lines(path))
        {
            numCases++;
            if (Checks[file](test) is { } problem)
                failures.Add($"{test.GetProperty("name").GetString()}: {problem}  {test.GetProperty("config").GetRawText()}");
        }

        TokenizerFixtures.AssertNone(failures, numCases);
    }

    static JsonKey Config(JsonElement test) => new("component", "config", test.GetProperty("config"));

    static NormalizedText Input(JsonElement test)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(test.GetProperty("input").GetString()!);
        return new NormalizedText(utf8, utf8.Length);
    }

    static string? CheckNormalizer(JsonElement test)
    {
        NormalizedText text = Input(test);
        NormalizerReader.Read(Config(test)).Normalize(text);
        string expected = test.GetProperty("output").GetString()!;
        return text.Text == expected ? null : $"'{text.Text}' for '{expected}'";
    }

    static string? CheckPreTokenizer(JsonElement test)
    {
        NormalizedText input = Input(test);
        var offsets = new CodePointOffsets(input.Bytes);
        var text = new PreTokenizedText(input);
        PreTokenizerReader.Read(Config(test)).PreTokenize(text);
        string actual = string.Join(' ', text.Pieces.Select(p => $"'{p.Text.Text}'{offsets.Convert(p.Text.Original)}"));
        string expected = string.Join(' ', test.GetProperty("output").EnumerateArray()
            .Select(p => $"'{p[0].GetString()}'({p[1][0].GetInt32()}, {p[1][1].GetInt32()})"));
        return actual == expected ? null : $"{actual} for {expected}";
    }

    static string? CheckDecoder(JsonElement test)
    {
        List<string> tokens = [.. test.GetProperty("input").EnumerateArray().Select(t => t.GetString()!)];
        DecoderReader.Read(Config(test)).Decode(tokens);
        string actual = string.Concat(tokens), expected = test.GetProperty("output").GetString()!;
        return actual == expected ? null : $"'{actual}' for '{expected}'";
    }
}
