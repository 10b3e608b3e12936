using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests.CommandLine;

public sealed class ConfigFileTests : IDisposable
{
    readonly string _file = Path.GetTempFileName();

    [Fact]
    public void Read_TakesEveryForm()
    {
        ServeArguments arguments = Read("""
            # a comment
            model: some.gguf
            max_model_len: 4k
            port: 1234
            enable-prefix-caching: false
            disable-log-stats: true
            disable-chunked-prefill: no
            served-model-name: [first, second]
            api-key:
              - one
              - "two"
            allowed-origins: ["*"]
            override-generation-config:
              temperature: 0.5
              top_k: 7
            host: null
            tensor-parallel-size: 1
            """);

        Assert.Equal("some.gguf", arguments.Engine.Model);
        Assert.Equal(4000, arguments.Engine.MaxModelLen);
        Assert.Equal(1234, arguments.Server.Port);
        Assert.False(arguments.Engine.EnablePrefixCaching);
        Assert.True(arguments.Engine.EnableChunkedPrefill);
        Assert.True(arguments.DisableLogStats);
        Assert.Equal(["first", "second"], arguments.Engine.ServedModelName);
        Assert.Equal(["one", "two"], arguments.Server.ApiKey);
        Assert.Equal(["*"], arguments.Server.AllowedOrigins);
        Assert.Equal(0.5f, arguments.Engine.OverrideGenerationConfig!.Temperature);
        Assert.Equal(7, arguments.Engine.OverrideGenerationConfig.TopK);
        Assert.Null(arguments.Server.Host);
    }

    [Fact]
    public void Read_IsBeatenByTheCommandLineAndBeatsTheEnvironment()
    {
        var environment = new Dictionary<string, string>
        {
            ["VLLM_CPU_KVCACHE_SPACE"] = "1",
            ["VLLM_LOGGING_LEVEL"] = "DEBUG",
        };

        ServeArguments arguments = Read(
            "model: file.gguf\nport: 1\nlog-level: ERROR", environment, "given.gguf", "--port", "2");

        Assert.Equal("given.gguf", arguments.ModelTag);
        Assert.Equal(2, arguments.Server.Port);
        Assert.Equal(LogLevel.Error, arguments.LogLevel);
        Assert.Equal(1L << 30, arguments.Engine.KvCacheMemoryBytes);
    }

    [Theory]
    [InlineData("nonsense: 1", "line 1: unknown option: --nonsense")]
    [InlineData("port: 1\nprot: 1", "line 2: unknown option: --prot (did you mean --port?)")]
    [InlineData("port: many", "line 1: --port: 'many' is not a whole number")]
    [InlineData("enable-prefix-caching: maybe", "--enable-prefix-caching is true or false")]
    [InlineData("- a\n- b", "is no mapping")]
    [InlineData("a: [", "line 2: While parsing")]
    [InlineData("a: &x 1\nb: *x", "aliases are not supported")]
    [InlineData("enable-lora: true", "not supported yet: --enable-lora")]
    public void Read_SaysWhatIsWrong(string yaml, string expected) =>
        Assert.Contains(expected, Assert.Throws<UsageException>(() => Read(yaml)).Message, StringComparison.Ordinal);

    [Fact]
    public void Read_RefusesDeepNesting() => Assert.Contains(
        "nested too deeply",
        Assert.Throws<UsageException>(() => Read("a: " + new string('[', 100_000))).Message,
        StringComparison.Ordinal);

    public void Dispose() => File.Delete(_file);

    ServeArguments Read(string yaml, Dictionary<string, string>? environment = null, params string[] arguments)
    {
        File.WriteAllText(_file, yaml);
        return ServeCommand.Command.Read([.. arguments, "--config", _file], null, environment ?? []);
    }
}
