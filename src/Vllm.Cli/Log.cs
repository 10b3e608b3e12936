using System.Globalization;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli;

/// <summary>vLLM's levels.</summary>
enum LogLevel
{
    Debug = 10,
    Info = 20,
    Warning = 30,
    Error = 40,
    Critical = 50,
}

/// <summary>Lines with level and time, as vLLM writes them, to standard output.</summary>
sealed class Log(LogLevel level)
{
    /// <summary>NOTSET shows everything, as in vLLM.</summary>
    public static ValueType<LogLevel> LevelType { get; } = ValueTypes.Choice(
        ("DEBUG", LogLevel.Debug), ("INFO", LogLevel.Info), ("WARNING", LogLevel.Warning),
        ("ERROR", LogLevel.Error), ("CRITICAL", LogLevel.Critical), ("NOTSET", LogLevel.Debug));

    /// <summary>VLLM_LOGGING_LEVEL's; INFO when it is not set or unknown.</summary>
    public static LogLevel DefaultLevel() =>
        Enum.TryParse(Environment.GetEnvironmentVariable("VLLM_LOGGING_LEVEL"), ignoreCase: true, out LogLevel named)
        && Enum.IsDefined(named) ? named : LogLevel.Info;

    public void Info(string message) => Write(LogLevel.Info, "INFO", message);

    public void Warning(string message) => Write(LogLevel.Warning, "WARNING", message);

    void Write(LogLevel importance, string name, string message)
    {
        if (importance < level) return;
        string time = DateTime.Now.ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        Console.Out.WriteLine($"{name} {time} {message}");
    }
}
