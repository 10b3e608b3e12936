using System.Text;
using System.Text.Json;
using Vllm.Server;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Tests;

/// <summary>Bodies of recorded requests, spoilt.</summary>
public sealed class RequestBodyTests
{
    const int MaxSeedBytes = 4096;
    const int NumVocabulary = 49152;

    static readonly string[] Words =
    [
        "{", "}", "[", "]", "\"", ":", ",", "null", "true", "\\u0000", "\\ud800", "\\", "[[", "{\"a\":", "NaN", "Infinity", "-",
        "\"n\":2,", "\"seed\":-1,", "\"stop\":[\"\"],", "\"logit_bias\":{\"1\":1},", "\"stream\":true,", "\"role\":", "\"\"", "\ud83d\ude00", "\ufeff",
    ];

    [Theory(SkipTestWithoutData = true)]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    public void Body_IsTakenOrRefused(string path)
    {
        List<byte[]> seeds = [.. RecordedBodies(path).Take(500)];
        Assert.SkipWhen(seeds.Count == 0, "no recorded requests");
        var rules = new RequestRules(new ServerOptions(), new ServerEnvironment());
        Fuzzer.Run(new Mutator(seeds, Words), body =>
        {
            JsonElement root = JsonBody.ParseObject(body);
            SamplingParams samplingParams = path == "/v1/completions"
                ? CompletionRequest.Parse(root, rules).Generation.ToSamplingParams(new SamplingDefaults(), 16, 1, null)
                : ChatCompletionRequest.Parse(root, rules).Generation.ToSamplingParams(new SamplingDefaults(), 16, 1, null);
            _ = samplingParams.Normalize().Validate(NumVocabulary, maxLogprobs: 20).Count();
        },
        e => e is RequestException or UnreadableBodyException, maxAllocatedBytes: 16 << 20);
    }

    static IEnumerable<byte[]> RecordedBodies(string path)
    {
        foreach (string run in Fixtures.Folders("server"))
        {
            foreach (JsonElement item in Fixtures.Lines(Path.Combine(run, "cases.jsonl")))
            {
                if (!item.TryGetProperty("request", out JsonElement request)) continue;
                if (request.GetProperty("path").GetString() != path) continue;
                if (!request.TryGetProperty("body", out JsonElement body)) continue;
                byte[] bytes = Encoding.UTF8.GetBytes(body.GetRawText());
                if (body.ValueKind == JsonValueKind.Object && bytes.Length <= MaxSeedBytes) yield return bytes;
            }
        }
    }
}
