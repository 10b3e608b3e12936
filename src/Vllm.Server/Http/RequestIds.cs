using Microsoft.AspNetCore.Http;

namespace Vllm.Server.Http;

/// <summary>Sends the client's <c>X-Request-Id</c> back, or a new one (<c>--enable-request-id-headers</c>).</summary>
sealed class RequestIds(ServerOptions options)
{
    public Task Invoke(HttpContext context, RequestDelegate next)
    {
        if (!options.EnableRequestIdHeaders) return next(context);
        string? given = context.Request.Headers["X-Request-Id"];
        context.Response.Headers["X-Request-Id"] = string.IsNullOrEmpty(given) ? Guid.NewGuid().ToString("N") : given;
        return next(context);
    }
}
