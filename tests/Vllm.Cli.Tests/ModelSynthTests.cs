using Vllm.Models.Loading;
using Vllm.Text.Tokenization;

namespace Vllm.Tests;

public sealed class ModelSynthTests : IDisposable
{
    const string Text = "The 42 cats' naïve plan: \n\tfor i in 日本語 {}<|im_end|> 3.14";

    readonly string _folder = Directory.CreateTempSubdirectory("vllm-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Synth_WritesAModelThatRuns()
    {
        string file = Path.Combine(_folder, "model.gguf");

        using (var synth = new StartedProgram("model", "synth", "--like", "tiny", "--type", "q4_k_m", "-o", file))
            Assert.True(await synth.RunAsync() == 0, synth.Errors);

        using var complete = new StartedProgram("complete", "Hello", "--model", file, "--max-tokens", "4", "--stats");
        Assert.True(await complete.RunAsync() == 0, complete.Errors);
        Assert.Contains("tokens", complete.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Synth_GivesSafetensorsTheSameTokenizer()
    {
        using (var synth = new StartedProgram(
            "model", "synth", "--like", "tiny", "--format", "safetensors", "--type", "f16", "--output", _folder))
        {
            Assert.True(await synth.RunAsync() == 0, synth.Errors);
        }

        string embedded = Directory.GetFiles(Path.Combine(Fixtures.RepositoryRoot, "models"), "*.gguf").Single();
        using GgufFile file = GgufFile.Open(embedded);
        Assert.Equal(
            Tokenizer.FromGguf(file.Metadata).Encode(Text),
            Tokenizer.FromFile(Path.Combine(_folder, "tokenizer.json")).Encode(Text));
        using var complete = new StartedProgram("complete", "Hello", "--model", _folder, "--max-tokens", "4");
        Assert.True(await complete.RunAsync() == 0, complete.Errors);

        using var embeddedWithIt = new StartedProgram(
            "complete", "The capital of France is", "--tokenizer", _folder, "--max-tokens", "4", "--temperature", "0");
        Assert.True(await embeddedWithIt.RunAsync() == 0, embeddedWithIt.Errors);
        Assert.Contains("Paris", embeddedWithIt.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--output is missing", "--like", "tiny")]
    [InlineData("'Q9_0' is no type", "--type", "Q9_0", "-o", "x")]
    [InlineData("unknown option: --enforce-eager", "--enforce-eager", "-o", "x")]
    [InlineData("unknown option: --config", "--config", "/no/such", "-o", "x")]
    [InlineData("safetensors hold F32, F16 or BF16", "--type", "Q4_0", "--format", "safetensors", "-o", "x")]
    public async Task Synth_RefusesWhatItCannotWrite(string message, params string[] arguments)
    {
        using var synth = new StartedProgram(["model", "synth", .. arguments]);

        Assert.Equal(2, await synth.RunAsync());
        Assert.Contains(message, synth.Errors, StringComparison.Ordinal);
    }
}
