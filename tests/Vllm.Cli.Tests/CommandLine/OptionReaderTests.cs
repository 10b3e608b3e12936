using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.CommandLine;

public sealed class OptionReaderTests
{
    [Theory]
    [InlineData("--max-num-seqs 8")]
    [InlineData("--max_num_seqs 8")]
    [InlineData("--max-num-seqs=8")]
    [InlineData("--max-num-se 8")]
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
    [InlineData("-tp 2 --enable-lora", "not supported yet: --tensor-parallel-size, --enable-lora")]
    [InlineData("--tensor-paralel-size 2", "did you mean --tensor-parallel-size?")]
    [InlineData("--speculative-config.method ngram", "not supported yet: --speculative-config")]
    [InlineData("--max-num-seqs.x 8", "--max-num-seqs takes no keys")]
    [InlineData("--override-generation-config.a..b 8", "is no list of keys")]
    [InlineData("--override-generation-config.nonsense 8", "--override-generation-config: not supported: nonsense")]
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
    [InlineData("--max-num-active-seqs 300", "max_num_active_seqs must be 1 to max_num_seqs (256), got 300")]
    [InlineData("--max-num-scheduled-tokens 4096", "max_num_scheduled_tokens must be 1 to max_num_batched_tokens (512)")]
    [InlineData("--max-model-len 512 --long-prefill-token-threshold 1k", "long_prefill_token_threshold (1000) must be")]
    [InlineData("--watermark 1", "watermark must be at least 0 and below 1")]
    [InlineData("--max-model-len 4k --max-num-batched-tokens 2k --no-enable-chunked-prefill", "without chunked prefill max_num_batched_tokens")]
    [InlineData("--quantization awq", "quantization 'awq' is not supported yet")]
    [InlineData("--config /no/such.yaml", "/no/such.yaml")]
    public void Read_SaysWhatIsWrong(string line, string expected) =>
        Assert.Contains(expected, Error(line), StringComparison.Ordinal);

    [Theory]
    [InlineData("--enable-chunked-prefill=False", false)]
    [InlineData("--enable-chunked-prefill=true", true)]
    [InlineData("--no-enable-chunked-prefill=false", true)]
    public void Read_TakesValuesOfSwitchesFromOldCommandLines(string line, bool expected) =>
        Assert.Equal(expected, Read(line).Engine.EnableChunkedPrefill);

    [Theory]
    [InlineData("--override-generation-config.temperature 0.5 --override-generation-config.top_k 3")]
    [InlineData("--override_generation_config.temperature=0.5 --override-gen.top_k=3")]
    [InlineData("""--override-generation-config {"temperature":0.5,"top_k":3}""")]
    public void Read_MergesDottedKeysToJson(string line)
    {
        SamplingDefaults defaults = Read(line).Engine.OverrideGenerationConfig!;

        Assert.Equal(0.5f, defaults.Temperature);
        Assert.Equal(3, defaults.TopK);
    }

    [Fact]
    public void Read_ExpandsNumbersInJson() => Assert.Equal(
        2048, Read("""--override-generation-config {"max_new_tokens":2K}""").Engine.OverrideGenerationConfig!.MaxNewTokens);

    [Theory]
    [InlineData("--port 1 --port 2", "--port is given more than once; the last one counts.")]
    [InlineData("--model x.gguf", "Give the model as the first argument instead of with --model.")]
    [InlineData("--attention-backend FLASH_ATTN -O3 -cc.mode 3",
        "Without effect here: --attention-backend, --optimization-level, --compilation-config.")]
    [InlineData("--num-scheduler-steps 8", "Without effect here: --num-scheduler-steps (gone from vLLM).")]
    [InlineData("--swap-space 0", "--swap-space is an old spelling; use --kv-offloading-size.")]
    [InlineData("--task=generate", "--task is an old spelling; use --runner.")]
    [InlineData("--override-generation-config.top_k 1 --override-generation-config {}",
        "--override-generation-config is given more than once; the last one counts.")]
    [InlineData("--override-generation-config.top_k 1 --override-generation-config.top_k 2",
        "--override-generation-config.top_k is given more than once; the last one counts.")]
    public void Read_Warns(string line, string expected) => Assert.Equal([expected], Warnings(line));

    [Theory]
    [InlineData("--tensor-parallel-size 1 -pp=1 --enforce-eager --trust-remote-code --enable-metrics")]
    [InlineData("--cpu-offload-gb 0.0 --disable-log-requests --kv-cache-dtype auto --tokenizer-mode None")]
    [InlineData("--load-format safetensors --no-enable-lora --disable-uvicorn-access-log")]
    public void Read_AcceptsWhatAsksForNothing(string line) => Assert.Empty(Warnings(line));

    [Theory]
    [InlineData("--speculative-model [ngram] --num-speculative-tokens 5")]
    [InlineData("--speculative-model=[ngram] --ngram-prompt-lookup-max=4")]
    [InlineData("--speculative-model draft.gguf")]
    [InlineData("--rope-theta 10")]
    public void Read_RefusesOldSpellingsByTheirNewName(string line) =>
        Assert.Matches("^not supported yet: --(speculative-config|hf-overrides)$", Error(line));

    static ServeArguments Read(string line) => ServeCommand.Command.Read(line.Split(' '));

    static List<string> Warnings(string line)
    {
        List<string> warnings = [];
        ServeCommand.Command.Read(line.Split(' '), warnings, new Dictionary<string, string>());
        return warnings;
    }

    static string Error(string line) => Assert.Throws<UsageException>(() => Read(line)).Message;
}
