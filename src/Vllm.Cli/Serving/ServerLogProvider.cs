using Microsoft.Extensions.Logging;

namespace Vllm.Cli.Serving;

/// <summary>Writes what the HTTP server logs to the program's log.</summary>
sealed class ServerLogProvider(Log log) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) =>
        new Category(log, isHttp: categoryName.StartsWith("uvicorn", StringComparison.Ordinal));

    public void Dispose() { }

    sealed class Category(Log log, bool isHttp) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) =>
            logLevel != Microsoft.Extensions.Logging.LogLevel.None && log.IsEnabled(LevelOf(logLevel));

        public void Log<TState>(
            Microsoft.Extensions.Logging.LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string message = formatter(state, exception);
            if (exception is not null) message += $"\n{exception}";
            if (isHttp) log.WriteHttp(LevelOf(logLevel), message);
            else log.Write(LevelOf(logLevel), message);
        }

        static LogLevel LevelOf(Microsoft.Extensions.Logging.LogLevel level) => level switch
        {
            <= Microsoft.Extensions.Logging.LogLevel.Debug => LogLevel.Debug,
            Microsoft.Extensions.Logging.LogLevel.Information => LogLevel.Info,
            Microsoft.Extensions.Logging.LogLevel.Warning => LogLevel.Warning,
            Microsoft.Extensions.Logging.LogLevel.Error => LogLevel.Error,
            _ => LogLevel.Critical,
        };
    }
}
