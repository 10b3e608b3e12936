using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;

namespace Vllm.Server.Http;

/// <summary>One line per HTTP request when its answer begins, in the form of vLLM's web server.</summary>
sealed class AccessLog(ServerOptions options, ILogger logger)
{
    /// <summary>The logger's category.</summary>
    public const string Category = "uvicorn.access";

    readonly HashSet<string> _silentPaths =
        [.. (options.DisableAccessLogForEndpoints ?? "").Split(',', StringSplitOptions.TrimEntries)];

    public Task Invoke(HttpContext context, RequestDelegate next)
    {
        if (!_silentPaths.Contains(context.Request.Path.Value ?? ""))
            context.Response.OnStarting(static state => ((Line)state).Write(), new Line(context, logger));
        return next(context);
    }

    /// <summary>Path and query as the client sent them: nothing that it wrote may break the line.</summary>
    sealed class Line(HttpContext context, ILogger logger)
    {
        readonly string _target = context.Request.PathBase.ToUriComponent() + context.Request.Path.ToUriComponent()
            + context.Request.QueryString.ToUriComponent();

        public Task Write()
        {
            ConnectionInfo connection = context.Connection;
            int status = context.Response.StatusCode;
            logger.LogInformation("{Client} - \"{Method} {Target} {Protocol}\" {Status} {Reason}",
                $"{Address(connection.RemoteIpAddress)}:{connection.RemotePort}", context.Request.Method,
                _target, context.Request.Protocol, status, ReasonPhrases.GetReasonPhrase(status));
            return Task.CompletedTask;
        }

        /// <summary>An IPv4 client of an IPv6 socket is shown as what it is.</summary>
        static IPAddress? Address(IPAddress? address) =>
            address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
    }
}
