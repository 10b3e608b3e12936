using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Health;

/// <summary><c>/health</c> and <c>/ping</c>: 200 while the engine lives, else 503; both without a body.</summary>
static class HealthEndpoints
{
    public static RequestDelegate Health(AsyncLLM engine) => context =>
    {
        context.Response.StatusCode =
            engine.IsHealthy ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    };

    public static Task Version(HttpContext context) => JsonText.Respond(context, Fingerprint.Version, static (json, version) =>
    {
        json.WriteStartObject();
        json.WriteString("version", version);
        json.WriteEndObject();
    });
}
