using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Generation;
using Vllm.Server.Health;
using Vllm.Server.Http;
using Vllm.Server.Metrics;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Server.Tokenize;

namespace Vllm.Server;

/// <summary>The OpenAI-compatible HTTP server over one engine, which it uses but does not own.</summary>
public sealed class ApiServer : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly ServerOptions _options;

    ApiServer(WebApplication app, ServerOptions options)
    {
        _app = app;
        _options = options;
    }

    /// <summary>Where the server listens, with the port it got: <c>http://127.0.0.1:8000</c>, or <c>unix:/path</c>.</summary>
    public string Address => _options.Uds is { } path
        ? $"unix:{path}"
        : _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Builds the server and starts to listen.</summary>
    /// <exception cref="ServerStartException">The address cannot be listened on; the message says what to do.</exception>
    public static async Task<ApiServer> StartAsync(
        ServerOptions options, AsyncLLM engine, CancellationToken cancellationToken = default)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        // A failed start is thrown to the caller, who says it in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options));
        // The host's own limit must not cut the drain that StopAsync allows.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout + TimeSpan.FromSeconds(5));
        WebApplication app = builder.Build();
        MapPipeline(app, options, engine);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            await app.DisposeAsync();
            string place = options.Uds ?? $"Port {options.Port}";
            throw new ServerStartException(
                $"{place} is in use. Stop the program that listens there, or choose another with --port or --uds.", e);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            await app.DisposeAsync();
            throw new ServerStartException($"Cannot listen on {options.Uds ?? $"{options.Host}:{options.Port}"}: {e.Message}", e);
        }
        return new ApiServer(app, options);
    }

    static void Listen(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = options.MaxRequestBodySizeBytes;
        if (options.Uds is { } path)
        {
            // Left behind by a process that was killed. (A socket has no length; a file that has one is not ours.)
            if (File.Exists(path) && new FileInfo(path).Length == 0) File.Delete(path);
            kestrel.ListenUnixSocket(path);
        }
        else if (options.Host is null)
        {
            kestrel.ListenAnyIP(options.Port);
        }
        else
        {
            IPAddress address = IPAddress.TryParse(options.Host, out IPAddress? parsed) ? parsed : Dns.GetHostAddresses(options.Host)[0];
            kestrel.Listen(address, options.Port);
        }
    }

    /// <summary>Layers from the outside in: request ids, keys, CORS, HTTP metrics, routes, error boundary, endpoint.</summary>
    static void MapPipeline(WebApplication app, ServerOptions options, AsyncLLM engine)
    {
        var httpMetrics = new HttpMetrics();
        var forms = new RouteForms();
        app.Use(new RequestIds(options).Invoke);
        app.Use(new ApiKeyGuard(options).Invoke);
        app.Use(new Cors(options).Invoke);
        if (options.RootPath is { } root) app.UsePathBase(root);
        app.Use(httpMetrics.Invoke);
        app.UseRouting();
        app.Use(forms.Invoke);
        MapRoutes(new Routes(app, forms, new EndpointBoundary(app.Logger)), options, engine, httpMetrics);
    }

    static void MapRoutes(Routes routes, ServerOptions options, AsyncLLM engine, HttpMetrics httpMetrics)
    {
        var models = new ServedModels(engine.Config);
        var rejections = new AdmissionRejections(options, engine.Metrics);
        var generator = new Generator(engine, options, models, rejections);
        var chatPrompts = new ChatPrompts(engine, models);
        var load = new ServerLoad(options);
        var tokenize = new TokenizeEndpoints(generator, chatPrompts);

        routes.Map("POST", "/v1/chat/completions", Tracked(new ChatCompletionsEndpoint(generator, chatPrompts).Handle));
        routes.Map("POST", "/v1/completions", Tracked(new CompletionsEndpoint(generator).Handle));
        routes.Map("GET", "/v1/models", models.List);
        routes.Map("POST", "/tokenize", tokenize.Tokenize);
        routes.Map("POST", "/detokenize", tokenize.Detokenize);
        routes.Map("GET", "/health", HealthEndpoints.Health(engine));
        routes.Map("GET,POST", "/ping", HealthEndpoints.Health(engine));
        routes.Map("GET", "/version", HealthEndpoints.Version);
        routes.Map("GET", "/load", load.Get);
        var metrics = new MetricsEndpoint(engine, httpMetrics, models, rejections);
        routes.Map("GET,HEAD,POST", "/metrics", metrics.Get, allowsTrailingSlash: true);

        RequestDelegate Tracked(RequestDelegate endpoint) => context => load.Track(context, endpoint);
    }

    /// <summary>Returns when the process is asked to end (Ctrl+C, SIGTERM) or the server was stopped.</summary>
    public Task WaitForShutdownAsync(CancellationToken cancellationToken = default) => _app.WaitForShutdownAsync(cancellationToken);

    /// <summary>Takes no new connections, lets running requests finish for <see cref="ServerOptions.ShutdownTimeout"/>, then
    /// aborts them.</summary>
    public async Task StopAsync()
    {
        using var drain = new CancellationTokenSource(_options.ShutdownTimeout);
        await _app.StopAsync(drain.Token);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>Maps a path to an endpoint inside the error boundary, and tells <see cref="RouteForms"/> of it.</summary>
    sealed class Routes(WebApplication app, RouteForms forms, EndpointBoundary boundary)
    {
        public void Map(string methods, string path, RequestDelegate endpoint, bool allowsTrailingSlash = false)
        {
            forms.Add(path);
            if (allowsTrailingSlash) forms.Add(path + "/");
            app.MapMethods(path, methods.Split(','), context => boundary.Run(context, endpoint));
        }
    }
}

/// <summary>The server could not start to listen.</summary>
public sealed class ServerStartException(string message, Exception inner) : Exception(message, inner);
