using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.CommandLine;

public sealed class OptionReaderTests
{
    [Theory]
    [InlineData("--max-num-seqs 8")]
    [InlineData("--max_num_seqs 8")]
    [InlineData("--max-num-seqs=8")]
    [InlineData("--max-num-s 8")]
    [InlineData("--max-num-seqs 5 --max-num-seqs 8")]
    public void Read_TakesAllSpellingsOfAnOption(string line) => Assert.Equal(8, Read(line).Engine.MaxNumSeqs);

    [Theory]
    [InlineData("--enable-prefix-caching", true)]
    [InlineData("--no-enable-prefix-caching", false)]
    [InlineData("--disable-prefix-caching", false)]
    [InlineData("--no_enable_prefix_caching", false)]
    public void Read_TurnsPairsOnAndOff(string line, bool expected) =>
        Assert.Equal(expected, Read(line).Engine.EnablePrefixCaching);

    [Theory]
    [InlineData("4096", 4096)]
    [InlineData("4k", 4000)]
    [InlineData("4K", 4096)]
    [InlineData("2.5k", 2500)]
    [InlineData("1M", 1048576)]
    [InlineData("auto", null)]
    [InlineData("-1", null)]
    [InlineData("None", null)]
    public void Read_TakesHumanIntegers(string text, int? expected) =>
        Assert.Equal(expected, Read("--max-model-len " + text).Engine.MaxModelLen);

    [Theory]
    [InlineData("2.5K")]
    [InlineData("k")]
    [InlineData("4x")]
    [InlineData("99t")]
    [InlineData("1e3")]
    public void Read_RejectsOtherNumbers(string text) =>
        Assert.Contains($"'{text}'", Error("--max-model-len " + text), StringComparison.Ordinal);

    [Fact]
    public void Read_TakesListsUpToTheNextFlag()
    {
        ServeArguments arguments = Read("model.gguf --served-model-name a b --api-key k1 k2 --port 1");

        Assert.Equal(["a", "b"], arguments.Engine.ServedModelName);
        Assert.Equal(["k1", "k2"], arguments.Server.ApiKey);
        Assert.Equal("model.gguf", arguments.ModelTag);
    }

    [Theory]
    [InlineData("", LogprobsMode.RawLogprobs)]
    [InlineData("--logprobs-mode processed_logits", LogprobsMode.ProcessedLogits)]
    public void Read_TakesLogprobsModes(string line, LogprobsMode expected) =>
        Assert.Equal(expected, Read(line).Engine.LogprobsMode);

    [Fact]
    public void Read_SaysWhatIsWrongWithALogitsProcessor() =>
        Assert.Contains("write Namespace.Type, path/to/assembly.dll", Error("--logits-processors My.Type"), StringComparison.Ordinal);

    [Fact]
    public void Read_EndsOptionsAtTwoDashes() => Assert.Equal("--odd", Read("--port 1 -- --odd").ModelTag);

    [Theory]
    [InlineData("--max-num-seq-s 8", "did you mean --max-num-seqs?")]
    [InlineData("--prot 8000", "did you mean --port?")]
    [InlineData("--tensor-parallel-size 2", "not supported yet: --tensor-parallel-size")]
    [InlineData("--tensor_parallel_size=2", "not supported yet: --tensor-parallel-size")]
    [InlineData("-tp 2", "not supported yet: -tp")]
    [InlineData("--compilation-config.mode 3", "not supported yet: --compilation-config.mode")]
    [InlineData("--enable-p 1", "--enable-prefix-caching")]
    [InlineData("--port", "--port needs a value")]
    [InlineData("--port --host x", "--port needs a value")]
    [InlineData("--port x", "--port: 'x' is not a whole number")]
    [InlineData("--port 70000", "--port: '70000'")]
    [InlineData("--enable-prefix-caching=yes", "takes no value")]
    [InlineData("--dtype int3", "none of {auto,bfloat16")]
    [InlineData("--allowed-origins *", "no JSON list")]
    [InlineData("one two", "unexpected argument: two")]
    [InlineData("--max-num-seqs 0", "max_num_seqs must be positive")]
    public void Read_SaysWhatIsWrong(string line, string expected) =>
        Assert.Contains(expected, Error(line), StringComparison.Ordinal);

    static ServeArguments Read(string line) => ServeCommand.Command.Read(line.Split(' '));

    static string Error(string line) => Assert.Throws<UsageException>(() => Read(line)).Message;
}
