using Vllm.Cli;
using Vllm.Cli.CommandLine;
using Vllm.Kernels.Cpu;

namespace Vllm.Tests.CommandLine;

public sealed class EnvironmentVariablesTests
{
    [Fact]
    public void Read_TakesOptionsFromVariables()
    {
        Assert.Equal(LogLevel.Error, Read("VLLM_LOGGING_LEVEL", "error").LogLevel);
        Assert.Equal(3L << 29, Read("VLLM_CPU_KVCACHE_SPACE", "1.5").Engine.KvCacheMemoryBytes);
        Assert.Null(Read("VLLM_CPU_KVCACHE_SPACE", "0").Engine.KvCacheMemoryBytes);
        Assert.Equal("cpu", Read("VLLM_CPU_ONLY", "1").Engine.Device);
        Assert.Equal("auto", Read("VLLM_CPU_ONLY", "0").Engine.Device);
        Assert.True(Read("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1").Engine.AllowLongMaxModelLen);
        Assert.Equal(1000, Read("VLLM_HTTP_MAX_REQUEST_BODY_SIZE", "1000").Server.MaxRequestBodySizeBytes);
        Assert.Equal(
            Math.Max(1, CpuDevice.NumPhysicalCores - 1), Read("VLLM_CPU_NUM_OF_RESERVED_CPU", "1").Engine.NumThreads);
    }

    [Theory]
    [InlineData("VLLM_LOGGING_LEVEL", "loud")]
    [InlineData("VLLM_CPU_KVCACHE_SPACE", "much")]
    [InlineData("VLLM_CPU_NUM_OF_RESERVED_CPU", "-1")]
    public void Read_NamesTheVariableThatIsWrong(string name, string value) =>
        Assert.Contains(name, Assert.Throws<UsageException>(() => Read(name, value)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("VLLM_CPU_KVCACHE_SPACES", "Unknown environment variable VLLM_CPU_KVCACHE_SPACES (did you mean VLLM_CPU_KVCACHE_SPACE?).")]
    [InlineData("VLLM_WORKER_MULTIPROC_METHOD", "Without effect here: VLLM_WORKER_MULTIPROC_METHOD.")]
    [InlineData("VLLM_KERNEL_MATMUL", null)]
    [InlineData("VLLM_API_KEY", null)]
    public void Read_WarnsOfOthers(string name, string? expected)
    {
        List<string> warnings = [];
        Read(name, "1", warnings);

        Assert.Equal(expected is null ? [] : [expected], warnings);
    }

    [Fact]
    public void Read_FailsOnUnknownOnesWhenAsked() => Assert.Contains(
        "VLLM_NONSENSE",
        Assert.Throws<UsageException>(() => Read("VLLM_NONSENSE", "1", null, "--fail-on-environ-validation")).Message,
        StringComparison.Ordinal);

    static ServeArguments Read(string name, string value, List<string>? warnings = null, params string[] arguments) =>
        ServeCommand.Command.Read(arguments, warnings, new Dictionary<string, string> { [name] = value });
}
