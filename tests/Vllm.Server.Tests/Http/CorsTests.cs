using Microsoft.AspNetCore.Http;
using Vllm.Server;
using Vllm.Server.Http;

namespace Vllm.Tests.Http;

public sealed class CorsTests
{
    static async Task<HttpResponse> Respond(ServerOptions options, string method, string? origin, params (string, string)[] headers)
    {
        var context = new DefaultHttpContext { Request = { Method = method, Path = "/v1/models" } };
        if (origin is not null) context.Request.Headers.Origin = origin;
        foreach ((string name, string value) in headers) context.Request.Headers[name] = value;
        await new Cors(options).Invoke(context, _ => Task.CompletedTask);
        return context.Response;
    }

    [Fact]
    public async Task Default_AllowsNoOrigin()
    {
        HttpResponse response = await Respond(new ServerOptions(), "GET", "http://a.example");

        Assert.Equal("Origin", response.Headers.Vary);
        Assert.False(response.Headers.ContainsKey("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Star_AllowsAll() =>
        Assert.Equal("*", (await Respond(new ServerOptions { AllowedOrigins = ["*"] }, "GET", "http://a.example")).Headers.AccessControlAllowOrigin);

    [Fact]
    public async Task StarWithCredentials_NamesTheOrigin()
    {
        var options = new ServerOptions { AllowedOrigins = ["*"], AllowCredentials = true };

        Assert.Equal("http://a.example", (await Respond(options, "GET", "http://a.example")).Headers.AccessControlAllowOrigin);
    }

    [Theory]
    [InlineData("http://a.example", "POST", 200)]
    [InlineData("http://b.example", "POST", 400)]
    [InlineData("http://a.example", "DELETE", 400)]
    public async Task Preflight_ChecksOriginAndMethod(string origin, string method, int status)
    {
        var options = new ServerOptions { AllowedOrigins = ["http://a.example"], AllowedMethods = ["GET", "POST"] };

        HttpResponse response = await Respond(options, "OPTIONS", origin, ("Access-Control-Request-Method", method));

        Assert.Equal(status, response.StatusCode);
    }
}
