using System.Net;
using System.Text.Json;
using Vllm.Server;

namespace Vllm.Tests.Developer;

/// <summary>The routes of VLLM_SERVER_DEV_MODE=1.</summary>
public sealed class DeveloperEndpointsTests
{
    const string Short = """{"prompt": "a", "max_tokens": 2}""";

    const string Endless =
        """{"prompt": "a", "max_tokens": 240, "n": 64, "temperature": 1, "ignore_eos": true, "request_id": "mine"}""";

    static Task<TinyServer> Start() => TinyServer.Start(environment: new ServerEnvironment { DevMode = true });

    [Fact]
    public async Task WithoutTheMode_ThereAreNone()
    {
        await using TinyServer server = await TinyServer.Start();

        Assert.Equal(HttpStatusCode.NotFound, (await server.Post("/pause", "")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await server.Client.GetAsync("/server_info")).StatusCode);
    }

    [Fact]
    public async Task Paused_RequestsWaitUntilResumed()
    {
        await using TinyServer server = await Start();

        await server.Post("/pause?mode=wait", "");
        Assert.True((await server.Get("/is_paused")).GetProperty("is_paused").GetBoolean());
        Task<HttpResponseMessage> waiting = server.Post("/v1/completions", Short);
        await Task.Delay(300);
        Assert.False(waiting.IsCompleted);
        await server.Post("/resume", "");

        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode);
        Assert.False((await server.Get("/is_paused")).GetProperty("is_paused").GetBoolean());
    }

    [Fact]
    public async Task Abort_EndsTheNamedRequestOnly()
    {
        await using TinyServer server = await Start();
        Task<HttpResponseMessage> running = server.Post("/v1/completions", Endless);
        await TinyServer.Until(() => server.Engine.Metrics.NumRequestsRunning > 0);

        (_, JsonElement none) = await server.PostJson("/abort_requests", """{"request_ids": ["cmpl-other"]}""");
        (_, JsonElement one) = await server.PostJson("/abort_requests", """{"request_ids": ["cmpl-mine"]}""");

        Assert.Equal(0, none.GetProperty("cancelled_request_ids").GetArrayLength());
        Assert.Equal("cmpl-mine", one.GetProperty("cancelled_request_ids")[0].GetString());
        JsonElement answer = JsonDocument.Parse(await (await running).Content.ReadAsStringAsync()).RootElement;
        Assert.Contains(answer.GetProperty("choices").EnumerateArray(), c => c.GetProperty("finish_reason").GetString() == "abort");
    }

    [Fact]
    public async Task Pause_EndsWhatRuns()
    {
        await using TinyServer server = await Start();
        Task<HttpResponseMessage> running = server.Post("/v1/completions", Endless);
        await TinyServer.Until(() => server.Engine.Metrics.NumRequestsRunning > 0);

        Assert.Equal(HttpStatusCode.OK, (await server.Post("/pause", "")).StatusCode);

        Assert.Contains("\"abort\"", await (await running).Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("/sleep", HttpStatusCode.NotImplemented)]
    [InlineData("/pause?mode=keep", HttpStatusCode.BadRequest)]
    [InlineData("/pause?mode=never", HttpStatusCode.BadRequest)]
    [InlineData("/reset_prefix_cache?reset_running_requests=perhaps", HttpStatusCode.BadRequest)]
    [InlineData("/reset_prefix_cache?reset_running_requests=true", HttpStatusCode.OK)]
    public async Task Post_Answers(string path, HttpStatusCode status)
    {
        await using TinyServer server = await Start();

        Assert.Equal(status, (await server.Post(path, "")).StatusCode);
    }

    [Fact]
    public async Task ServerInfo_TellsTheSetUp()
    {
        await using TinyServer server = await Start();

        JsonElement info = (await server.Get("/server_info")).GetProperty("vllm_config");

        Assert.Equal(server.Engine.Config.MaxModelLen, info.GetProperty("max_model_len").GetInt32());
        Assert.Equal("LlamaForCausalLM", info.GetProperty("architecture").GetString());
    }
}
