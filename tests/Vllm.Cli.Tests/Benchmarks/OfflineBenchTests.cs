using System.Text.Json.Nodes;

namespace Vllm.Tests.Benchmarks;

/// <summary>The benchmarks without server: what vLLM's scripts read from their output.</summary>
public sealed class OfflineBenchTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("vllm-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Throughput_CountsTokens()
    {
        string output = "";
        JsonObject result = await RunAsync(
            text => output = text, "throughput", "--backend", "vllm", "--dataset-name", "prefix_repetition",
            "--num-prompts", "6", "--prefix-repetition-num-prefixes", "2", "--prefix-repetition-prefix-len", "20",
            "--prefix-repetition-suffix-len", "10", "--output-len", "4", "--num-warmups", "1");

        Assert.Equal(
            ["elapsed_time", "num_requests", "total_num_tokens", "requests_per_second", "tokens_per_second"],
            result.Select(field => field.Key));
        Assert.Equal((6, 204), ((int)result["num_requests"]!, (int)result["total_num_tokens"]!));
        Assert.Matches(@"Throughput: [\d.]+ requests/s, [\d.]+ total tokens/s, [\d.]+ output tokens/s\n", output);
        Assert.Contains("Total num prompt tokens:  180\nTotal num output tokens:  24", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Latency_ReportsPercentiles()
    {
        string output = "";
        JsonObject result = await RunAsync(
            text => output = text, "latency", "--batch-size", "2", "--input-len", "8", "--output-len", "4",
            "--num-iters-warmup", "1", "--num-iters", "3");

        Assert.Equal(3, result["latencies"]!.AsArray().Count);
        Assert.Equal(
            ["10", "25", "50", "75", "90", "99"], result["percentiles"]!.AsObject().Select(field => field.Key));
        Assert.Equal(
            (double)result["avg_latency"]!, result["latencies"]!.AsArray().Average(latency => (double)latency!), 1e-9);
        Assert.Matches(@"Avg latency: [\d.E-]+ seconds\n10% percentile latency: [\d.E-]+ seconds\n", output);
    }

    async Task<JsonObject> RunAsync(Action<string> takeOutput, string kind, params string[] arguments)
    {
        string model = Path.Combine(_folder, "tiny.gguf"), json = Path.Combine(_folder, "result.json");
        using (var synth = new StartedProgram("model", "synth", "--like", "tiny", "-o", model))
            Assert.True(await synth.RunAsync() == 0, synth.Errors);
        using var bench = new StartedProgram(
            ["bench", kind, "--model", model, "--max-model-len", "256", "--output-json", json, .. arguments]);
        Assert.True(await bench.RunAsync() == 0, bench.Errors);
        takeOutput(bench.Output);
        return JsonNode.Parse(await File.ReadAllTextAsync(json))!.AsObject();
    }
}
