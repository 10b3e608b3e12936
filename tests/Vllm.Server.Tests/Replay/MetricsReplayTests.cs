using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Vllm.Tests.Replay;

/// <summary>Sends what the recorded server had got before each snapshot of its metrics, and compares the
/// snapshots.</summary>
public sealed class MetricsReplayTests
{
    /// <summary>Values that depend on how tokens fall into steps, or on how many tokens the engine computes before it
    /// hears of a stop string; the names must be there.</summary>
    static readonly string[] UncomparedValues =
    [
        "vllm:iteration_tokens_total", "vllm:inter_token_latency_seconds", "vllm:generation_tokens",
        "vllm:request_generation_tokens", "vllm:request_max_num_generation_tokens", "vllm:request_success",
    ];

    /// <summary>Its labels describe the build and its cache.</summary>
    const string CacheConfig = "vllm:cache_config_info";

    [Fact]
    public async Task Snapshots_AreAsRecorded()
    {
        if (!Fixtures.Folders("server").Any(f => Path.GetFileName(f) == "metrics")) Assert.Skip("no recordings");
        var run = new RecordedRun("metrics");
        await using RunServer server = await RunServer.Start(run);
        List<string> failures = [];
        int numSent = 0;
        foreach (RecordedCase snapshot in run.Cases.Where(c => !c.IsExchange))
        {
            JsonElement[] before = [.. snapshot.Json.GetProperty("requests_before").EnumerateArray()];
            foreach (JsonElement request in before.Skip(numSent)) await Send(server.Client, request);
            numSent = before.Length;
            string text = await MetricsAtRest(server.Client);
            failures.AddRange(Differences(snapshot.Json.GetProperty("response").GetProperty("families"), Parse(text))
                .Select(d => $"{snapshot.Name}: {d}"));
        }
        foreach (RecordedCase recorded in run.Cases.Where(c => c.IsExchange))
        {
            RecordedExchange exchange = recorded.Exchanges[0];
            Answer answer = await Answer.Send(server.Client, exchange);
            if (ExchangeComparison.Difference(recorded, exchange, answer) is { } difference)
                failures.Add($"{recorded.Name}: {difference}");
        }
        Assert.True(failures.Count == 0, $"{failures.Count} differences:\n{string.Join('\n', failures)}");
    }

    /// <summary>The engine hears of a stop string, or of a client's leaving, a step after the client has its
    /// answer.</summary>
    static async Task<string> MetricsAtRest(HttpClient client)
    {
        while (true)
        {
            string text = await client.GetStringAsync("/metrics");
            if (text.Contains("vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} 0.0")) return text;
            await Task.Delay(20);
        }
    }

    static async Task Send(HttpClient client, JsonElement request)
    {
        var method = new HttpMethod(request.GetProperty("method").GetString()!);
        using var message = new HttpRequestMessage(method, request.GetProperty("path").GetString());
        if (request.TryGetProperty("body", out JsonElement body) && body.ValueKind == JsonValueKind.Object)
            message.Content = new StringContent(body.GetRawText(), new MediaTypeHeaderValue("application/json"));
        using HttpResponseMessage response = await client.SendAsync(message);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(request.GetProperty("status").GetInt32() == (int)response.StatusCode, text);
    }

    static IEnumerable<string> Differences(JsonElement families, Dictionary<string, Family> actual)
    {
        foreach (JsonElement family in families.EnumerateArray())
        {
            string name = family.GetProperty("name").GetString()!;
            // The process's own metrics are named only, and Python's are not ours.
            if (name.StartsWith("python_") || name.StartsWith("process_")) continue;
            if (!actual.TryGetValue(name, out Family? own))
            {
                yield return $"no {name}";
                continue;
            }
            if (own.Type != family.GetProperty("type").GetString()) yield return $"{name} is a {own.Type}";
            bool isSameHelp = own.Help.Trim() == family.GetProperty("help").GetString()!.Trim();
            if (!isSameHelp) yield return $"{name}: help '{own.Help}'";
            if (name == CacheConfig) continue;
            foreach (JsonElement sample in family.GetProperty("samples").EnumerateArray())
                if (SampleDifference(sample, own) is { } difference) yield return difference;
        }
    }

    static string? SampleDifference(JsonElement sample, Family own)
    {
        string key = Key(sample[0].GetString()!, sample[1].EnumerateObject().Select(l =>
            (l.Name, l.Value.GetString()!)));
        if (!own.Samples.TryGetValue(key, out double value)) return $"no {key}";
        if (sample[2].ValueKind != JsonValueKind.Number || UncomparedValues.Any(key.StartsWith)) return null;
        return value == sample[2].GetDouble() ? null : $"{key}: {value} instead of {sample[2]}";
    }

    static Dictionary<string, Family> Parse(string text)
    {
        var families = new Dictionary<string, Family>();
        Family? family = null;
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split(' ', 4);
            if (words[1] == "HELP") families[words[2]] = family = new Family(words[3]);
            else if (words[1] == "TYPE") family!.Type = words[3];
            else Add(family!, line);
        }
        return families;
    }

    static void Add(Family family, string line)
    {
        Match match = Regex.Match(line, @"^([\w:]+)(?:\{(.*)\})? (\S+)$");
        Assert.True(match.Success, line);
        var labels = Regex.Matches(match.Groups[2].Value, "(\\w+)=\"((?:[^\"\\\\]|\\\\.)*)\"").Select(m =>
            (m.Groups[1].Value, m.Groups[2].Value));
        string key = Key(match.Groups[1].Value, labels);
        family.Samples[key] = double.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture);
    }

    static string Key(string name, IEnumerable<(string Name, string Value)> labels) =>
        $"{name}{{{string.Join(',', labels.OrderBy(l =>
            l.Name, StringComparer.Ordinal).Select(l => $"{l.Name}={l.Value}"))}}}";

    sealed class Family(string help)
    {
        public string Help => help;

        public string Type { get; set; } = "";

        public Dictionary<string, double> Samples { get; } = [];
    }
}
