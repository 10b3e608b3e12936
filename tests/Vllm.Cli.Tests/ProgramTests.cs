namespace Vllm.Tests;

/// <summary>Exit codes and messages of the program that runs to an end by itself.</summary>
public sealed class ProgramTests
{
    [Theory]
    [InlineData(0, "serve", "--help")]
    [InlineData(0, "--version")]
    [InlineData(0, "--help")]
    [InlineData(0, "bench")]
    [InlineData(0, "env")]
    [InlineData(0, "completion", "--help")]
    [InlineData(0, "completion", "bash")]
    [InlineData(0, "completion", "zsh")]
    [InlineData(0, "completion", "fish")]
    [InlineData(0, "completion", "powershell")]
    public async Task Run_Informs(int exitCode, params string[] arguments)
    {
        using var program = new StartedProgram(arguments);

        Assert.Equal(exitCode, await program.RunAsync());
        Assert.NotEmpty(program.Output);
        Assert.Empty(program.Errors.Trim());
    }

    [Theory]
    [InlineData(2, "did you mean serve?", "serv")]
    [InlineData(2, "did you mean --port?", "serve", "--prot", "1")]
    [InlineData(2, "not supported yet: --enable-lora", "serve", "--enable-lora")]
    [InlineData(1, "/no/such/model", "serve", "/no/such/model", "--port", "0")]
    [InlineData(1, "/no/such/model", "complete", "hi", "--model", "/no/such/model")]
    [InlineData(1, "/no/such/tokenizer", "complete", "hi", "--tokenizer", "/no/such/tokenizer")]
    [InlineData(1, "without chunked prefill", "complete", "hi", "--no-enable-chunked-prefill")]
    [InlineData(2, "put the model first", "serve", "--served-model-name", "a", "b")]
    [InlineData(2, "not supported yet: run-batch", "run-batch", "-i", "x")]
    [InlineData(1, "onnection refused", "complete", "hi", "--url", "http://127.0.0.1:1/v1")]
    public async Task Run_FailsWithOneLine(int exitCode, string message, params string[] arguments)
    {
        using var program = new StartedProgram(arguments);

        Assert.Equal(exitCode, await program.RunAsync());
        Assert.Contains(message, program.Errors, StringComparison.Ordinal);
        Assert.Single(program.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task Run_NamesABrokenFile()
    {
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "GGUF, but not really");
        using var program = new StartedProgram("serve", file, "--port", "0");

        Assert.Equal(1, await program.RunAsync());
        Assert.Contains(file, program.Errors, StringComparison.Ordinal);
        Assert.Single(program.Errors.Trim().Split('\n'));
        File.Delete(file);
    }

    [Fact]
    public async Task Complete_ContinuesWhatIsPipedIn()
    {
        using var program = new StartedProgram("complete", "--max-tokens", "4", "--temperature", "0", "--stats");

        Assert.Equal(0, await program.RunAsync("The capital of France is"));
        Assert.Contains("Paris", program.Output, StringComparison.Ordinal);
        Assert.Contains("[4 tokens", program.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_KeepsTheConversationUntilExit()
    {
        using var program = new StartedProgram("chat", "--max-tokens", "3", "--temperature", "0", "--stats");

        string[] lines = ["My name is \\", "Ada.", "/system Be brief.", "Hello", "/reset", "/exit", "never read"];
        Assert.Equal(0, await program.RunAsync(string.Join('\n', lines)));
        Assert.Equal(2, program.Errors.Split("[3 tokens").Length - 1);
    }

    [Fact]
    public async Task BenchLatency_ReportsInVllmsWords()
    {
        string json = Path.GetTempFileName();
        using var program = new StartedProgram(
            "bench", "latency", "--input-len", "8", "--output-len", "4", "--batch-size", "2", "--num-iters", "2",
            "--num-iters-warmup", "0", "--output-json", json);

        Assert.Equal(0, await program.RunAsync());
        Assert.Matches(@"^Avg latency: [0-9.E-]+ seconds", program.Output);
        Assert.Contains("99% percentile latency: ", program.Output, StringComparison.Ordinal);
        Assert.Contains("\"percentiles\":{\"10\":", await File.ReadAllTextAsync(json), StringComparison.Ordinal);
        File.Delete(json);
    }

    [Fact]
    public async Task BenchThroughput_ReportsInVllmsWords()
    {
        using var program = new StartedProgram(
            "bench", "throughput", "--input-len", "8", "--output-len", "4", "--num-prompts", "3");

        Assert.Equal(0, await program.RunAsync());
        Assert.Matches(
            "Throughput: [0-9.]+ requests/s, [0-9.]+ total tokens/s, [0-9.]+ output tokens/s", program.Output);
        Assert.Contains("Total num prompt tokens:  24", program.Output, StringComparison.Ordinal);
        Assert.Contains("Total num output tokens:  12", program.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BenchThroughput_ReadsShareGptFiles()
    {
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, """
            [{"conversations": [{"from": "human", "value": "Tell me of the sea and its tides."},
                                {"from": "gpt", "value": "It rises and it falls."}]},
             {"conversations": [{"from": "human", "value": "alone"}]}]
            """);
        using var program = new StartedProgram(
            "bench", "throughput", "--dataset-path", file, "--num-prompts", "2", "--output-len", "3");

        Assert.Equal(0, await program.RunAsync());
        Assert.Contains("Total num output tokens:  6", program.Output, StringComparison.Ordinal);
        File.Delete(file);
    }
}
