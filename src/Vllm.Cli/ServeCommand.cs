using Vllm.Cli.CommandLine;
using Vllm.Cli.Serving;
using Vllm.Server;

namespace Vllm.Cli;

sealed record ServeArguments : CommandArguments
{
    /// <summary>The model as positional argument, which beats <c>--model</c>.</summary>
    public string? ModelTag { get; init; }

    public ServerOptions Server { get; init; } = new();

    public bool DisableLogStats { get; init; }

    /// <summary>File that the port is written to once the server listens.</summary>
    public string? PortFile { get; init; }
}

/// <summary><c>vllm serve</c>: an engine behind the OpenAI-compatible API.</summary>
static class ServeCommand
{
    public static Command<ServeArguments> Command { get; } = new(
        "serve", "Serves a model over an OpenAI-compatible HTTP API.", new ServeArguments(),
        new OptionTable<ServeArguments>()
            .Include(ServerFlags.Table, args => args.Server, (args, v) => args with { Server = v })
            .Group("Options")
            .Value("--port-file", ValueTypes.OptionalText("FILE"),
                args => args.PortFile, (args, v) => args with { PortFile = v },
                "File to write the port to once the server listens; for scripts with --port 0.")
            .Switch("--disable-log-stats", args => args.DisableLogStats, (args, v) => args with { DisableLogStats = v },
                "Do not log throughput and load.")
            .IncludeEngine().Options,
        RunAsync,
        new("MODEL",
            "A GGUF file, or a folder with a Hugging Face checkpoint. "
            + "Without one the embedded SmolLM2-135M-Instruct is served.",
            (args, model) => args with { ModelTag = model }));

    static async Task<int> RunAsync(ServeArguments arguments)
    {
        var log = new Log(arguments.LogLevel);
        if (arguments.Engine.Model.Length > 0)
            log.Warning("With `vllm serve`, give the model as the first argument instead of with --model.");
        EngineOptions options = EmbeddedModel.Resolve(
            arguments.Engine with { Model = arguments.ModelTag ?? arguments.Engine.Model });

        ServerOptions server = WithEnvironment(arguments.Server);
        if (server.Validate() is { Count: > 0 } problems) throw new UsageException(string.Join(" ", problems));
        if (server.EnablePerRequestMetrics && arguments.DisableLogStats)
            throw new UsageException("--enable-per-request-metrics and --disable-log-stats exclude each other.");
        ServerEnvironment environment = ReadEnvironment();

        log.Info($"vllm {ProgramVersion.Text}: loading {options.Model}");
        await using AsyncLLM engine = await EngineStart.LoadAsync(options);
        using var shutdown = new ShutdownSignal();
        using var serverLog = new ServerLogProvider(log);
        await using ApiServer api = await StartAsync(server, engine, environment, serverLog);
        StartReport.Write(log, engine.Config, api.Address);
        if (arguments.PortFile is { } file) WritePort(file, api.Address);
        await using StatsLog? stats = arguments.DisableLogStats ? null : new StatsLog(log, engine);

        Task death = DeathOf(api, engine, environment, log);
        bool hasDied = await Task.WhenAny(shutdown.Requested, death) == death;
        log.Info("Shutting down; Ctrl-C again ends the program at once.");
        await api.StopAsync();
        return hasDied ? 1 : 0;
    }

    static async Task DeathOf(ApiServer api, AsyncLLM engine, ServerEnvironment environment, Log log)
    {
        await api.EngineDeath;
        log.Error($"The engine has died, and every request fails from now on: {engine.Failure}");
        if (environment.KeepAliveOnEngineDeath) await Task.Delay(Timeout.Infinite);
    }

    static ServerEnvironment ReadEnvironment()
    {
        try
        {
            return ServerEnvironment.Read();
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    /// <summary>A certificate that cannot be used is the user's mistake.</summary>
    static async Task<ApiServer> StartAsync(
        ServerOptions options, AsyncLLM engine, ServerEnvironment environment, ServerLogProvider log)
    {
        try
        {
            return await ApiServer.StartAsync(options, engine, environment, log);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    static ServerOptions WithEnvironment(ServerOptions options) =>
        options.ApiKey.Count == 0 && Environment.GetEnvironmentVariable("VLLM_API_KEY") is { Length: > 0 } key
            ? options with { ApiKey = [key] }
            : options;

    /// <summary>By renaming, so that nobody reads half a number.</summary>
    static void WritePort(string file, string address)
    {
        string half = file + ".tmp";
        File.WriteAllText(half, address[(address.LastIndexOf(':') + 1)..]);
        File.Move(half, file, overwrite: true);
    }
}
