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

    public bool IsEnabled(LogLevel importance) => importance >= level;

    public void Info(string message) => Write(LogLevel.Info, message);

    public void Warning(string message) => Write(LogLevel.Warning, message);

    public void Error(string message) => Write(LogLevel.Error, message);

    public void Write(LogLevel importance, string message)
    {
        if (!IsEnabled(importance)) return;
        string name = NameOf(importance);
        string time = DateTime.Now.ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        Console.Out.WriteLine($"{name} {time} {message}");
    }

    /// <summary>A line of the HTTP server, in the form of vLLM's: <c>INFO:     127.0.0.1:1234 - "GET /health HTTP/1.1"
    /// 200 OK</c>.</summary>
    public void WriteHttp(LogLevel importance, string message)
    {
        if (IsEnabled(importance)) Console.Out.WriteLine($"{NameOf(importance) + ":",-9} {message}");
    }

    static string NameOf(LogLevel importance) => importance.ToString().ToUpperInvariant();
}
