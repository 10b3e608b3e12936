using System.Text.Json.Nodes;

namespace Vllm.Tests.Benchmarks;

/// <summary><c>vllm bench serve</c> against a running server.</summary>
public sealed class BenchServeTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("vllm-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Run_CountsWhatTheServerMade()
    {
        string model = Path.Combine(_folder, "tiny.gguf"), portFile = Path.Combine(_folder, "port");
        using (var synth = new StartedProgram("model", "synth", "--like", "tiny", "-o", model))
            Assert.True(await synth.RunAsync() == 0, synth.Errors);
        using var server = new StartedProgram(
            "serve", model, "--host", "127.0.0.1", "--port", "0", "--port-file", portFile,
            "--max-model-len", "512", "--max-num-seqs", "4");
        string port = await server.FileAsync(portFile);

        JsonObject completions = await RunAsync(
            "--port", port, "--num-prompts", "6", "--random-input-len", "40", "--random-output-len", "5",
            "--max-concurrency", "2", "--save-detailed", "--num-warmups", "1", "--ready-check-timeout-sec", "30");
        JsonObject chats = await RunAsync(
            "--base-url", $"http://127.0.0.1:{port}", "--backend", "openai-chat", "--num-prompts", "3",
            "--random-input-len", "20", "--random-output-len", "4", "--request-rate", "50");
        JsonObject tooLong = await RunAsync(
            expectedExit: 1, "--port", port, "--num-prompts", "2", "--random-input-len", "5000", "--save-detailed");

        Assert.Equal((6, 0, 240, 30), Totals(completions));
        Assert.All(completions["itls"]!.AsArray(), gaps => Assert.InRange(gaps!.AsArray().Count, 1, 4));
        Assert.InRange((int)completions["max_concurrent_requests"]!, 1, 2);
        Assert.True((double)completions["mean_ttft_ms"]! > 0);
        (int numChats, int numFailed, _, int numTokens) = Totals(chats);
        Assert.Equal((3, 0, 12), (numChats, numFailed, numTokens));
        Assert.Equal((0, 2, 0, 0), Totals(tooLong));
        Assert.Contains("maximum context length", (string?)tooLong["errors"]![0], StringComparison.Ordinal);
    }

    static (int, int, int, int) Totals(JsonObject result) => (
        (int)result["completed"]!, (int)result["failed"]!,
        (int)result["total_input_tokens"]!, (int)result["total_output_tokens"]!);

    Task<JsonObject> RunAsync(params string[] arguments) => RunAsync(0, arguments);

    async Task<JsonObject> RunAsync(int expectedExit, params string[] arguments)
    {
        using var bench = new StartedProgram(
            ["bench", "serve", "--save-result", "--result-dir", _folder, "--result-filename", "r.json", .. arguments]);
        Assert.True(await bench.RunAsync() == expectedExit, bench.Output + bench.Errors);
        Assert.Contains("Serving Benchmark Result", bench.Output, StringComparison.Ordinal);
        return JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(_folder, "r.json")))!.AsObject();
    }
}
