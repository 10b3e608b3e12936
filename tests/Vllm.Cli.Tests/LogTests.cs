using System.Text.Json;
using Vllm.Cli;
using Vllm.Cli.CommandLine;

namespace Vllm.Tests;

public sealed class LogTests
{
    [Fact]
    public void Json_IsOneObjectPerLine()
    {
        var output = new StringWriter();
        var log = new Log(LogLevel.Info, isJson: true, output);
        log.Info("with \"quotes\"\nand two lines");
        log.Warning("second");

        string[] lines = output.ToString().Trim().Split(Environment.NewLine);
        Assert.Equal(2, lines.Length);
        using JsonDocument first = JsonDocument.Parse(lines[0]);
        Assert.Equal("INFO", first.RootElement.GetProperty("level").GetString());
        Assert.Equal("with \"quotes\"\nand two lines", first.RootElement.GetProperty("message").GetString());
        Assert.True(first.RootElement.GetProperty("timestamp").TryGetDateTimeOffset(out _));
    }

    [Theory]
    [InlineData("""--logging-config {"formatter":"json","log_level":"debug"}""", true, "Debug")]
    [InlineData("--logging-config.formatter json --log-level ERROR", true, "Error")]
    [InlineData("""--log-level ERROR --logging-config {"log_level":"INFO"}""", false, "Info")]
    public void LoggingConfig_ChoosesFormAndLevel(string line, bool isJson, string level)
    {
        ServeArguments arguments = ServeCommand.Command.Read(line.Split(' '));

        Assert.Equal(isJson, arguments.LoggingConfig.IsJson);
        Assert.Equal(Enum.Parse<LogLevel>(level), arguments.EffectiveLogLevel);
    }

    [Theory]
    [InlineData("""{"formatter":"xml"}""", "formatter is text or json")]
    [InlineData("""{"pylogging_config_file":"x"}""", "not supported: pylogging_config_file")]
    [InlineData("json", "is no JSON object")]
    public void LoggingConfig_RefusesOthers(string value, string expected) => Assert.Contains(
        expected,
        Assert.Throws<UsageException>(() => ServeCommand.Command.Read(["--logging-config", value])).Message,
        StringComparison.Ordinal);
}
