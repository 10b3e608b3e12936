using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Vllm.Server.Http;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Server;

/// <summary>The OpenAI-compatible HTTP server over one engine, which it uses but does not own.</summary>
public sealed class ApiServer : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly ServerOptions _options;

    ApiServer(WebApplication app, ServerOptions options, AsyncLLM engine)
    {
        _app = app;
        _options = options;
        EngineDeath = WaitForDeath(engine);
    }

    static async Task WaitForDeath(AsyncLLM engine)
    {
        await engine.Completion;
        if (engine.IsHealthy) await Task.Delay(Timeout.Infinite); // ended by its owner
    }

    /// <summary>Where the server listens, with the port it got: <c>http://127.0.0.1:8000</c>, or
    /// <c>unix:/path</c>.</summary>
    public string Address => _options.Uds is { } path
        ? $"unix:{path}"
        : _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Completes when the engine has died; from then on every request is answered with an error.</summary>
    public Task EngineDeath { get; }

    /// <summary>Builds the server and starts to listen.</summary>
    /// <param name="options">Validated here.</param>
    /// <param name="engine">Must live as long as the server.</param>
    /// <param name="environment">Null = the defaults, whatever the process's environment says.</param>
    /// <param name="log">Where the log goes; null = nowhere.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="ArgumentException">Options out of range; says all at once.</exception>
    /// <exception cref="ServerStartException">The address cannot be listened on; the message says what to
    /// do.</exception>
    public static async Task<ApiServer> StartAsync(
        ServerOptions options, AsyncLLM engine, ServerEnvironment? environment = null, ILoggerProvider? log = null,
        CancellationToken cancellationToken = default)
    {
        if (options.Validate() is { Count: > 0 } problems) throw new ArgumentException(string.Join(" ", problems));
        environment ??= new ServerEnvironment();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        ServerLog.Configure(builder.Logging, options, log);
        builder.WebHost.ConfigureKestrel(kestrel => Listening.Configure(kestrel, options, environment));
        // The host's own limit must not cut the drain that StopAsync allows.
        builder.Services.Configure<HostOptions>(host =>
            host.ShutdownTimeout = options.ShutdownTimeout + TimeSpan.FromSeconds(5));
        WebApplication app = builder.Build();
        MapPipeline(app, new RequestRules(options, environment), engine);
        await ListenAsync(app, options, cancellationToken);
        return new ApiServer(app, options, engine);
    }

    static async Task ListenAsync(WebApplication app, ServerOptions options, CancellationToken cancellationToken)
    {
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
            string place = options.Uds ?? $"{options.Host}:{options.Port}";
            throw new ServerStartException($"Cannot listen on {place}: {e.Message}", e);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Layers from the outside in: access log, request ids, keys, CORS, HTTP metrics, routes, error boundary,
    /// endpoint.</summary>
    static void MapPipeline(WebApplication app, RequestRules rules, AsyncLLM engine)
    {
        ServerOptions options = rules.Options;
        var httpMetrics = new HttpMetrics();
        var forms = new RouteForms();
        ILoggerFactory loggers = app.Services.GetRequiredService<ILoggerFactory>();
        ILogger accessLogger = loggers.CreateLogger(AccessLog.Category);
        if (!options.DisableUvicornAccessLog && accessLogger.IsEnabled(LogLevel.Information))
            app.Use(new AccessLog(options, accessLogger).Invoke);
        app.Use(new RequestIds(options).Invoke);
        app.Use(new ApiKeyGuard(options).Invoke);
        app.Use(new Cors(options).Invoke);
        if (options.RootPath is { } root) app.UsePathBase(root);
        app.Use(httpMetrics.Invoke);
        app.UseRouting();
        app.Use(forms.Invoke);
        ILogger logger = loggers.CreateLogger(ServerLog.Category);
        var boundary = new EndpointBoundary(logger, options.LogErrorStack || rules.Environment.DevMode);
        new ApiRoutes(app, forms, boundary).Map(rules, engine, httpMetrics, logger);
    }

    /// <summary>Returns when the process is asked to end (Ctrl+C, SIGTERM) or the server was stopped.</summary>
    public Task WaitForShutdownAsync(CancellationToken cancellationToken = default) =>
        _app.WaitForShutdownAsync(cancellationToken);

    /// <summary>Takes no new connections, lets running requests finish for <see cref="ServerOptions.ShutdownTimeout"/>,
    /// then aborts them.</summary>
    public async Task StopAsync()
    {
        using var drain = new CancellationTokenSource(_options.ShutdownTimeout);
        await _app.StopAsync(drain.Token);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

/// <summary>The server could not start to listen.</summary>
public sealed class ServerStartException(string message, Exception inner) : Exception(message, inner);
