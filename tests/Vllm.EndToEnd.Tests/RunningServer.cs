using Vllm.Server;

namespace Vllm.Tests;

/// <summary>A server on a free port with the embedded model, for a class of tests.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    ApiServer? _server;

    public AsyncLLM Engine { get; } = AsyncLLM.Create(new EngineOptions
    {
        Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        ServedModelName = ["smollm2"],
        MaxModelLen = 1024,
    });

    /// <summary><c>http://127.0.0.1:PORT/v1</c></summary>
    public Uri BaseUrl => new(_server!.Address + "/v1");

    public async ValueTask InitializeAsync() =>
        _server = await ApiServer.StartAsync(new ServerOptions { Host = "127.0.0.1", Port = 0 }, Engine);

    public async ValueTask DisposeAsync()
    {
        await _server!.StopAsync();
        await _server.DisposeAsync();
        await Engine.DisposeAsync();
    }
}
