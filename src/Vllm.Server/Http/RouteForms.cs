using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Http;

/// <summary>Unknown routes, wrong methods and trailing slashes, answered as vLLM's web framework does. Its paths are
/// case-sensitive, which ASP.NET's are not. Runs after routing.</summary>
sealed class RouteForms
{
    /// <summary>Key of the mark on requests whose route and method exist.</summary>
    public static readonly object IsKnownRoute = new();

    readonly HashSet<string> _paths = new(StringComparer.Ordinal);

    public void Add(string path) => _paths.Add(path);

    public async Task Invoke(HttpContext context, RequestDelegate next)
    {
        string path = context.Request.Path.Value ?? "";
        if (_paths.Contains(path))
        {
            await next(context);
            // Routing's own endpoint for wrong methods has set the status and the allow header.
            if (context.Response.StatusCode != StatusCodes.Status405MethodNotAllowed)
                context.Items[IsKnownRoute] = true;
            else if (!context.Response.HasStarted)
                await JsonText.RespondDetail(context, StatusCodes.Status405MethodNotAllowed, "Method Not Allowed");
            return;
        }
        if (path.Length > 1 && path.EndsWith('/') && _paths.Contains(path.TrimEnd('/')))
        {
            HttpRequest request = context.Request;
            context.Response.StatusCode = StatusCodes.Status307TemporaryRedirect;
            context.Response.Headers.Location =
                $"{request.Scheme}://{request.Host}{request.PathBase}{path.TrimEnd('/')}{request.QueryString}";
            return;
        }
        await JsonText.RespondDetail(context, StatusCodes.Status404NotFound, "Not Found");
    }
}
