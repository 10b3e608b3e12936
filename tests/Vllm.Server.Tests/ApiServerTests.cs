using System.Net;
using System.Net.Sockets;
using System.Text;
using Vllm.Server;

namespace Vllm.Tests;

/// <summary>Start, stop and connections of the whole server, on the tiny model.</summary>
public sealed class ApiServerTests : IAsyncLifetime
{
    /// <summary>Enough answers of enough tokens to still run when the client leaves.</summary>
    const string LongRequest =
        """{"prompt": "a", "max_tokens": 200, "n": 128, "temperature": 1, "ignore_eos": true, "stream": true}""";

    static readonly string Model = Fixtures.FindFile("server", "tiny-default", "model");

    AsyncLLM? _engine;

    public ValueTask InitializeAsync()
    {
        if (Directory.Exists(Model))
            _engine = AsyncLLM.Create(new EngineOptions { Model = Model, KvCacheMemoryBytes = 64 << 20 });
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        if (_engine is not null) await _engine.DisposeAsync();
    }

    Task<ApiServer> Start(ServerOptions options)
    {
        if (_engine is null) Assert.Skip("no tiny model");
        return ApiServer.StartAsync(options, _engine);
    }

    static ServerOptions Local => new() { Host = "127.0.0.1", Port = 0 };

    static async Task<HttpResponseMessage> Post(HttpClient client, string address, CancellationToken cancellationToken)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, $"{address}/v1/completions")
        {
            Content = new StringContent(LongRequest, Encoding.UTF8, "application/json"),
        };
        return await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    [Fact]
    public async Task PortInUse_IsSaidClearly()
    {
        await using ApiServer first = await Start(Local);
        int port = new Uri(first.Address).Port;

        var exception = await Assert.ThrowsAsync<ServerStartException>(() => Start(Local with { Port = port }));

        Assert.Contains($"Port {port} is in use", exception.Message);
    }

    [Fact]
    public async Task ClientThatLeaves_EndsItsRequest()
    {
        await using ApiServer server = await Start(Local);
        using var client = new HttpClient();
        using (HttpResponseMessage response = await Post(client, server.Address, TestContext.Current.CancellationToken))
            await response.Content.ReadAsStream().ReadExactlyAsync(new byte[10]);

        await Until(() => _engine!.Metrics.NumFinished(Engine.Requests.FinishReason.Abort) > 0);
        await Until(() => _engine!.Metrics.NumRequestsRunning == 0);
    }

    [Fact]
    public async Task Stop_AbortsWhatRunsBeyondTheLimit()
    {
        await using ApiServer server = await Start(Local with { ShutdownTimeout = TimeSpan.FromMilliseconds(100) });
        using var client = new HttpClient();
        using HttpResponseMessage response = await Post(client, server.Address, TestContext.Current.CancellationToken);

        await server.StopAsync();

        await Until(() => _engine!.Metrics.NumRequestsRunning == 0);
        await Assert.ThrowsAnyAsync<Exception>(() => client.GetAsync($"{server.Address}/health"));
    }

    [Fact]
    public async Task Stop_LetsStreamsEndWithinTheLimit()
    {
        await using ApiServer server = await Start(Local with { ShutdownTimeout = TimeSpan.FromMinutes(2) });
        using var client = new HttpClient();
        using HttpResponseMessage response = await Post(client, server.Address, TestContext.Current.CancellationToken);

        Task stop = server.StopAsync();
        string all = await response.Content.ReadAsStringAsync();
        await stop;

        Assert.EndsWith("data: [DONE]\n\n", all);
        Assert.Equal(0, _engine!.Metrics.NumFinished(Engine.Requests.FinishReason.Abort));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetAsync($"{server.Address}/health"));
    }

    [Fact]
    public async Task UnixSocket_IsServed()
    {
        string path = Path.Combine(Path.GetTempPath(), $"vllm-{Guid.NewGuid():N}.sock");
        await using ApiServer server = await Start(new ServerOptions { Uds = path });
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("http://localhost/health")).StatusCode);
    }

    [Fact]
    public async Task BodyOverTheLimit_IsRefused()
    {
        await using ApiServer server = await Start(Local with { MaxRequestBodySizeBytes = 100 });
        using var client = new HttpClient();

        using HttpResponseMessage response = await client.PostAsync(
            $"{server.Address}/tokenize", new StringContent(new string(' ', 200), Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    static async Task Until(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 500, "not within 10 seconds");
            await Task.Delay(20);
        }
    }
}
