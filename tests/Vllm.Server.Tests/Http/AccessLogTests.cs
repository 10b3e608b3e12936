using System.Text.RegularExpressions;
using Vllm.Server;

namespace Vllm.Tests.Http;

/// <summary>The line per HTTP request.</summary>
public sealed class AccessLogTests
{
    const string Category = "uvicorn.access";

    [Fact]
    public async Task Line_HasTheFormOfUvicorn()
    {
        using var log = new LogLines();
        await using TinyServer server = await TinyServer.Start(log: log);

        await server.Client.GetAsync("/health?a=b%0Ac");
        await server.Post("/v1/completions", "{}");

        Assert.Collection(log.Of(Category),
            line => Assert.Matches(
                new Regex("""^127\.0\.0\.1:\d+ - "GET /health\?a=b%0Ac HTTP/1\.1" 200 OK$"""), line),
            line => Assert.EndsWith("\"POST /v1/completions HTTP/1.1\" 400 Bad Request", line));
    }

    [Theory]
    [InlineData(true, null, "info")]
    [InlineData(false, "/ping, /health", "info")]
    [InlineData(false, null, "warning")]
    public async Task Lines_CanBeLeftOut(bool isDisabled, string? paths, string level)
    {
        using var log = new LogLines();
        var options = new ServerOptions
        {
            DisableUvicornAccessLog = isDisabled,
            DisableAccessLogForEndpoints = paths,
            UvicornLogLevel = level,
        };
        await using TinyServer server = await TinyServer.Start(options, log: log);

        await server.Client.GetAsync("/health");

        Assert.Empty(log.Of(Category));
    }
}
