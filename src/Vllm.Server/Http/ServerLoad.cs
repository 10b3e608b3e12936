using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Server.Http;

/// <summary>Requests under way, for <c>GET /load</c>; counted only when asked for, 0 otherwise.</summary>
sealed class ServerLoad(ServerOptions options)
{
    int _load;

    public async Task Track(HttpContext context, RequestDelegate endpoint)
    {
        if (!options.EnableServerLoadTracking)
        {
            await endpoint(context);
            return;
        }
        Interlocked.Increment(ref _load);
        try
        {
            await endpoint(context);
        }
        finally
        {
            Interlocked.Decrement(ref _load);
        }
    }

    public Task Get(HttpContext context) => JsonText.Respond(context, Volatile.Read(ref _load), static (json, load) =>
    {
        json.WriteStartObject();
        json.WriteNumber("server_load", load);
        json.WriteEndObject();
    });
}
