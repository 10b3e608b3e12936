using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Vllm.Server;

namespace Vllm.Tests;

/// <summary>A server of the tiny model on a free port, with a client.</summary>
sealed class TinyServer : IAsyncDisposable
{
    static readonly string Model = Fixtures.FindFile("server", "tiny-default", "model");

    readonly ApiServer _server;

    TinyServer(AsyncLLM engine, ApiServer server, HttpClient? client)
    {
        Engine = engine;
        _server = server;
        Client = client ?? new HttpClient();
        Client.BaseAddress = new Uri(server.Address);
    }

    public AsyncLLM Engine { get; }

    public ApiServer Server => _server;

    public HttpClient Client { get; }

    public Uri Address => new(_server.Address);

    /// <summary>Skips the test when the model is not there.</summary>
    public static async Task<TinyServer> Start(
        ServerOptions? options = null, ServerEnvironment? environment = null, ILoggerProvider? log = null,
        HttpClient? client = null, int maxNumSeqs = 256)
    {
        if (!Directory.Exists(Model)) Assert.Skip("no tiny model");
        AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Model,
            KvCacheMemoryBytes = 64 << 20,
            MaxNumSeqs = maxNumSeqs,
            Dtype = "float32",
        });
        try
        {
            options = (options ?? new ServerOptions()) with { Host = "127.0.0.1", Port = 0 };
            return new TinyServer(engine, await ApiServer.StartAsync(options, engine, environment, log), client);
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }
    }

    public Task<HttpResponseMessage> Post(
        string path, string json, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        return Client.SendAsync(message, completion, TestContext.Current.CancellationToken);
    }

    /// <summary>Status and body of an answer.</summary>
    public async Task<(HttpStatusCode Status, JsonElement Body)> PostJson(string path, string json)
    {
        using HttpResponseMessage response = await Post(path, json);
        string text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, JsonDocument.Parse(text).RootElement);
    }

    public async Task<JsonElement> Get(string path) =>
        JsonDocument.Parse(await Client.GetStringAsync(path)).RootElement;

    /// <summary>The value of a sample of <c>/metrics</c>, by the beginning of its line.</summary>
    public async Task<double> Metric(string start)
    {
        string text = await Client.GetStringAsync("/metrics");
        string line = text.Split('\n').Single(l => l.StartsWith(start, StringComparison.Ordinal));
        return double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    public static async Task Until(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 500, "not within 10 seconds");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.StopAsync();
        await _server.DisposeAsync();
        await Engine.DisposeAsync();
    }
}

/// <summary>Keeps what is logged.</summary>
sealed class LogLines : ILoggerProvider
{
    readonly System.Collections.Concurrent.ConcurrentQueue<(string Category, LogLevel Level, string Message)> _lines = [];

    public IEnumerable<string> Of(string category) => _lines.Where(l => l.Category == category).Select(l => l.Message);

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void Dispose() { }

    sealed class Category(LogLines owner, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            owner._lines.Enqueue((name, logLevel, formatter(state, exception)));
    }
}
