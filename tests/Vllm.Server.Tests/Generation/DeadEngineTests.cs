using System.Net;
using System.Reflection;
using System.Text.Json;

namespace Vllm.Tests.Generation;

/// <summary>What clients see when the engine's loop dies of a fault.</summary>
public sealed class DeadEngineTests
{
    const string Neutral = "The server had an error while processing your request.";

    /// <summary>Hands the engine thread a command that it cannot carry out.</summary>
    static async Task Kill(AsyncLLM engine)
    {
        object core = typeof(AsyncLLM).GetField("_core", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(engine)!;
        core.GetType().GetMethod("TryAdd")!.Invoke(core, [null]);
        await TinyServer.Until(() => !engine.IsHealthy);
    }

    [Fact]
    public async Task Health_AndRequests_TellOfIt()
    {
        await using TinyServer server = await TinyServer.Start();

        await Kill(server.Engine);

        await server.Server.EngineDeath.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Client.GetAsync("/health")).StatusCode);
        foreach ((string path, string body) in new[]
        {
            ("/v1/completions", """{"prompt": "a"}"""),
            ("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}]}"""),
        })
        {
            (HttpStatusCode status, JsonElement answer) = await server.PostJson(path, body);
            JsonElement error = answer.GetProperty("error");
            Assert.Equal(HttpStatusCode.InternalServerError, status);
            Assert.Equal(Neutral, error.GetProperty("message").GetString());
            Assert.Equal("InternalServerError", error.GetProperty("type").GetString());
        }
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/v1/models")).StatusCode);
    }

    [Fact]
    public async Task RunningStream_EndsWithAnErrorAndTheEndMark()
    {
        await using TinyServer server = await TinyServer.Start();
        using HttpResponseMessage response = await server.Post("/v1/completions",
            """{"prompt": "a", "max_tokens": 240, "n": 100, "temperature": 1, "ignore_eos": true, "stream": true}""",
            HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        await reader.ReadLineAsync();

        await Kill(server.Engine);
        string[] events = (await reader.ReadToEndAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("data: [DONE]", events[^1]);
        JsonElement error = JsonDocument.Parse(events[^2]["data: ".Length..]).RootElement.GetProperty("error");
        Assert.Equal(Neutral, error.GetProperty("message").GetString());
        Assert.Equal(500, error.GetProperty("code").GetInt32());
    }

    [Fact]
    public async Task EndedByItsOwner_IsNoDeath()
    {
        await using TinyServer server = await TinyServer.Start();

        await server.Engine.DisposeAsync();

        Assert.False(server.Server.EngineDeath.IsCompleted);
    }
}
