using System.Globalization;
using System.Text;
using System.Text.Json;
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

/// <summary>Lines with level and time, as vLLM writes them, or a JSON object per line.</summary>
/// <param name="level">The least important level that is written.</param>
/// <param name="isJson">JSON in place of text.</param>
/// <param name="output">Where to; standard output by default.</param>
sealed class Log(LogLevel level, bool isJson = false, TextWriter? output = null)
{
    readonly TextWriter _output = output ?? Console.Out;

    /// <summary>NOTSET shows everything, as in vLLM.</summary>
    public static ValueType<LogLevel> LevelType { get; } = ValueTypes.Choice(
        ("DEBUG", LogLevel.Debug), ("INFO", LogLevel.Info), ("WARNING", LogLevel.Warning),
        ("ERROR", LogLevel.Error), ("CRITICAL", LogLevel.Critical), ("NOTSET", LogLevel.Debug));

    public bool IsEnabled(LogLevel importance) => importance >= level;

    public void Info(string message) => Write(LogLevel.Info, message);

    public void Warning(string message) => Write(LogLevel.Warning, message);

    public void Error(string message) => Write(LogLevel.Error, message);

    public void Write(LogLevel importance, string message)
    {
        if (!IsEnabled(importance)) return;
        DateTimeOffset now = DateTimeOffset.Now;
        string time = now.ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        _output.WriteLine(isJson ? Json(now, importance, message) : $"{NameOf(importance)} {time} {message}");
    }

    static string Json(DateTimeOffset time, LogLevel importance, string message)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("timestamp", time);
            json.WriteString("level", NameOf(importance));
            json.WriteString("logger", "vllm");
            json.WriteString("message", message);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>A line of the HTTP server, in the form of vLLM's: <c>INFO:     127.0.0.1:1234 - "GET /health HTTP/1.1"
    /// 200 OK</c>.</summary>
    public void WriteHttp(LogLevel importance, string message)
    {
        if (!IsEnabled(importance)) return;
        _output.WriteLine(isJson ? Json(DateTimeOffset.Now, importance, message) : $"{NameOf(importance) + ":",-9} {message}");
    }

    static string NameOf(LogLevel importance) => importance.ToString().ToUpperInvariant();
}
