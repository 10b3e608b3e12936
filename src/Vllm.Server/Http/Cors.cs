using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Vllm.Server.Http;

/// <summary>Cross-origin rules with the header values of vLLM's web framework: ASP.NET's own middleware sends others.</summary>
sealed class Cors(ServerOptions options)
{
    const string AllMethods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY";

    const string PreflightVary =
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network";

    readonly bool _allowsAllOrigins = options.AllowedOrigins.Contains("*");
    readonly bool _allowsAllMethods = options.AllowedMethods.Contains("*");
    readonly bool _allowsAllHeaders = options.AllowedHeaders.Contains("*");

    public Task Invoke(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        string? origin = request.Headers.Origin;
        if (origin is not null && HttpMethods.IsOptions(request.Method)
            && request.Headers.TryGetValue("Access-Control-Request-Method", out StringValues method))
        {
            return Preflight(context, origin, method.ToString());
        }
        IHeaderDictionary headers = context.Response.Headers;
        if (!_allowsAllOrigins || options.AllowCredentials) headers.Vary = "Origin";
        if (origin is null) return next(context);
        if (options.AllowCredentials) headers.AccessControlAllowCredentials = "true";
        if (IsAllowed(origin)) headers.AccessControlAllowOrigin = AllowedOriginFor(request, origin);
        return next(context);
    }

    Task Preflight(HttpContext context, string origin, string method)
    {
        IHeaderDictionary headers = context.Response.Headers;
        string requestedHeaders = context.Request.Headers["Access-Control-Request-Headers"].ToString();
        List<string> faults = [];
        if (!IsAllowed(origin)) faults.Add("origin");
        else headers.AccessControlAllowOrigin = AllowedOriginFor(context.Request, origin);
        if (!_allowsAllMethods && !options.AllowedMethods.Contains(method)) faults.Add("method");
        if (!AllowsHeaders(requestedHeaders)) faults.Add("headers");

        headers.Vary = PreflightVary;
        headers.AccessControlAllowMethods = _allowsAllMethods ? AllMethods : string.Join(", ", options.AllowedMethods);
        headers.AccessControlMaxAge = "600";
        if (options.AllowCredentials) headers.AccessControlAllowCredentials = "true";
        if (!_allowsAllHeaders) headers.AccessControlAllowHeaders = string.Join(", ", options.AllowedHeaders);
        else if (requestedHeaders is not "") headers.AccessControlAllowHeaders = requestedHeaders;

        context.Response.StatusCode = faults.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status400BadRequest;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(faults.Count == 0 ? "OK" : $"Disallowed CORS {string.Join(", ", faults)}");
    }

    bool IsAllowed(string origin) => _allowsAllOrigins || options.AllowedOrigins.Contains(origin);

    /// <summary>A browser takes no star for a request with credentials.</summary>
    string AllowedOriginFor(HttpRequest request, string origin) =>
        _allowsAllOrigins && !options.AllowCredentials && !request.Headers.ContainsKey("Cookie") ? "*" : origin;

    bool AllowsHeaders(string requested) => _allowsAllHeaders || requested
        .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        .All(header => options.AllowedHeaders.Contains(header, StringComparer.OrdinalIgnoreCase));
}
