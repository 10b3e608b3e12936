using Microsoft.AspNetCore.Http;
using Vllm.Server;
using Vllm.Server.Http;

namespace Vllm.Tests.Http;

public sealed class ApiKeyGuardTests
{
    static async Task<int> Status(ApiKeyScope scope, string method, string path, string? authorization)
    {
        var guard = new ApiKeyGuard(new ServerOptions { ApiKey = ["key-one", "key-two"], ApiKeyScope = scope });
        var context = new DefaultHttpContext { Request = { Method = method, Path = path } };
        if (authorization is not null) context.Request.Headers.Authorization = authorization;
        await guard.Invoke(context, _ => Task.CompletedTask);
        return context.Response.StatusCode;
    }

    [Theory]
    [InlineData("/v1/models")]
    [InlineData("/tokenize")]
    [InlineData("/metrics")]
    [InlineData("/nope")]
    public async Task WithoutKey_EveryRouteIsClosed(string path) => Assert.Equal(401, await Status(ApiKeyScope.All, "GET", path, null));

    [Theory]
    [InlineData("/health")]
    [InlineData("/ping")]
    public async Task Probes_AreOpen(string path) => Assert.Equal(200, await Status(ApiKeyScope.All, "GET", path, null));

    [Theory]
    [InlineData("/v1/models", 401)]
    [InlineData("/v10", 401)]
    [InlineData("/inference/x", 401)]
    [InlineData("/tokenize", 200)]
    [InlineData("/metrics", 200)]
    public async Task V1Scope_GuardsLikeVllm(string path, int status) => Assert.Equal(status, await Status(ApiKeyScope.V1, "GET", path, null));

    [Theory]
    [InlineData("Bearer key-one", 200)]
    [InlineData("bearer key-two", 200)]
    [InlineData("BEARER key-one", 200)]
    [InlineData("Basic key-one", 401)]
    [InlineData("Bearer  key-one", 401)]
    [InlineData("Bearer key-onex", 401)]
    [InlineData("Bearer KEY-ONE", 401)]
    [InlineData("Bearer", 401)]
    [InlineData("Bearer ", 401)]
    [InlineData("key-one", 401)]
    [InlineData("", 401)]
    public async Task Header_HasOneForm(string header, int status) =>
        Assert.Equal(status, await Status(ApiKeyScope.All, "GET", "/v1/models", header));

    [Fact]
    public async Task Preflight_NeedsNoKey() => Assert.Equal(200, await Status(ApiKeyScope.All, "OPTIONS", "/v1/models", null));
}
