using System.Text.Json;
using Vllm.Tests;
using Vllm.Text.Tokenization;

namespace Vllm.Text.Tests.Tokenization;

public class IncrementalDetokenizerTests
{
    static readonly string[] Kinds = ["byte-level-bpe", "bpe-byte-fallback", "gguf-gpt2", "gguf-llama"];

    public static TheoryData<string> Files
    {
        get
        {
            var files = new TheoryData<string>();
            string family = Fixtures.Family("detokenize");
            if (!Directory.Exists(family)) return files;
            foreach (string path in Directory.GetFiles(family, "*.jsonl.gz").Order(StringComparer.Ordinal))
            {
                string name = Path.GetFileName(path)[..^".jsonl.gz".Length];
                if (Kinds.Contains(TokenizerFixtures.Kind(name))) files.Add(name);
            }
            return files;
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Streams_AreExact(string file)
    {
        Tokenizer tokenizer = TokenizerFixtures.Load(file);
        var failures = new List<string>();
        int numCases = 0;
        foreach (JsonElement test in Fixtures.Lines(Path.Combine(Fixtures.Family("detokenize"), file + ".jsonl.gz")))
        {
            numCases++;
            if (Check(tokenizer, test) is { } problem)
                failures.Add($"{test.GetProperty("name").GetString()}: {problem}");
        }

        TokenizerFixtures.AssertNone(failures, numCases);
    }

    static string? Check(Tokenizer tokenizer, JsonElement test)
    {
        var detokenizer = new IncrementalDetokenizer(
            tokenizer,
            TokenizerFixtures.Ints(test.GetProperty("prompt_ids")),
            test.GetProperty("skip_special_tokens").GetBoolean(),
            test.GetProperty("spaces_between_special_tokens").GetBoolean(),
            test.IsNull("stop") ? null : [.. test.GetProperty("stop").EnumerateArray().Select(s => s.GetString()!)],
            test.GetProperty("include_stop_str_in_output").GetBoolean(),
            test.GetProperty("min_tokens").GetInt32());
        int[] ids = TokenizerFixtures.Ints(test.GetProperty("ids"));
        int[] chunks = test.IsNull("chunks") ? [.. Enumerable.Repeat(1, ids.Length)]
            : TokenizerFixtures.Ints(test.GetProperty("chunks"));
        bool stopTokenLast = test.GetProperty("stop_token_last").GetBoolean();

        var deltas = new List<string>();
        string? stop = null;
        int position = 0, numKept = 0;
        for (int i = 0; i < chunks.Length && stop is null; i++)
        {
            bool isLast = i == chunks.Length - 1;
            DetokenizedStep step = detokenizer.Append(ids.AsSpan(position, chunks[i]), isLast, isLast && stopTokenLast);
            deltas.Add(step.Delta);
            stop = step.StopString;
            numKept += step.NumIdsKept;
            position += chunks[i];
        }

        string text = string.Concat(deltas), expected = test.GetProperty("text").GetString()!;
        if (text != expected) return $"text '{text}' for '{expected}'";
        string[] expectedDeltas = [.. test.GetProperty("deltas").EnumerateArray().Select(d => d.GetString()!)];
        if (!deltas.SequenceEqual(expectedDeltas)) return $"deltas '{string.Join('|', deltas)}' for '{string.Join('|', expectedDeltas)}'";
        string reason = stop is not null || stopTokenLast ? "stop" : "length";
        if (reason != test.GetProperty("finish_reason").GetString()) return $"finish reason {reason}";
        JsonElement stopReason = test.GetProperty("stop_reason");
        if (stop is not null && stopReason.ValueKind == JsonValueKind.String
            && stop != stopReason.GetString())
            return $"stop '{stop}'";
        if (stop is not null != (stopReason.ValueKind == JsonValueKind.String)) return $"stop '{stop}' for {stopReason}";
        int expectedKept = test.GetProperty("output_ids_kept").GetInt32();
        return numKept == expectedKept ? null : $"{numKept} ids kept for {expectedKept}";
    }
}
