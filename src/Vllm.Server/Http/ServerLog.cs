using Microsoft.Extensions.Logging;

namespace Vllm.Server.Http;

/// <summary>What of the server's and the web framework's messages is logged.</summary>
static class ServerLog
{
    /// <summary>Category of the server's own messages: requests, answers, failures.</summary>
    public const string Category = "vllm.server";

    public static void Configure(ILoggingBuilder logging, ServerOptions options, ILoggerProvider? provider)
    {
        logging.ClearProviders();
        if (provider is not null) logging.AddProvider(provider);
        logging.SetMinimumLevel(LogLevel.Warning);
        logging.AddFilter(Category, LogLevel.Debug);
        LogLevel httpLevel = Level(options.UvicornLogLevel);
        logging.AddFilter(AccessLog.Category, httpLevel);
        // At info the web framework would write several lines per request.
        logging.AddFilter("Microsoft.AspNetCore", httpLevel < LogLevel.Information ? httpLevel : LogLevel.Warning);
        // What keeps the server from starting is thrown, not logged.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
    }

    static LogLevel Level(string uvicornLevel) => uvicornLevel switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => LogLevel.Critical,
    };
}
