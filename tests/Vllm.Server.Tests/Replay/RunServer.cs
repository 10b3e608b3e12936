using System.Globalization;
using System.Text;
using System.Text.Json;
using Vllm.Engine.Scheduling;
using Vllm.Models.Loading;
using Vllm.Server;

namespace Vllm.Tests.Replay;

/// <summary>The product, started as the recorded run says: flags of the command line become options here.</summary>
sealed class RunServer : IAsyncDisposable
{
    readonly AsyncLLM _engine;
    readonly ApiServer _server;

    RunServer(AsyncLLM engine, ApiServer server, IReadOnlyList<string> incomparableMembers)
    {
        IncomparableMembers = incomparableMembers;
        _engine = engine;
        _server = server;
        var connection = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8,
        };
        Client = new HttpClient(connection)
        {
            BaseAddress = new Uri(server.Address),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public HttpClient Client { get; }

    public IReadOnlyList<string> IncomparableMembers { get; }

    /// <summary>Starts it, or skips the test when the product has not got the run's flags or architecture
    /// yet.</summary>
    public static async Task<RunServer> Start(RecordedRun run)
    {
        var settings = new RunSettings(run);
        string unknownFlags = string.Join(" ", settings.UnknownFlags);
        if (unknownFlags is not "") Assert.Skip($"not supported yet: {unknownFlags}");
        AsyncLLM? engine = null;
        try
        {
            engine = AsyncLLM.Create(settings.Engine);
        }
        catch (ModelLoadException e) when (e.Subject == "architectures")
        {
            Assert.Skip($"not supported yet: {e.Message}");
        }
        return new RunServer(engine, await ApiServer.StartAsync(settings.Server, engine, settings.Environment), settings.IncomparableMembers);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _server.StopAsync();
        await _server.DisposeAsync();
        await _engine.DisposeAsync();
    }
}

/// <summary>A run's flags as options.</summary>
sealed class RunSettings
{
    /// <summary>Enough for every run; the recordings do not depend on it.</summary>
    const long KvCacheBytes = 256 << 20;

    /// <summary>The reference's block on the CPU: cached tokens come in its multiples.</summary>
    const int RecordedBlockSize = 128;

    static readonly HashSet<string> WithoutMeaningHere = ["--enforce-eager"];

    /// <summary>Flags of features that are not there yet, with the member of answers that they change.</summary>
    static readonly Dictionary<string, string> ChangedMembers = new()
    {
    };

    readonly Queue<string> _flags;
    readonly List<string> _unknown = [];
    readonly List<string> _incomparable = [];

    public RunSettings(RecordedRun run)
    {
        _flags = new Queue<string>(run.Flags);
        Engine = new EngineOptions
        {
            Model =
                run.ModelFolder ?? Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            KvCacheMemoryBytes = KvCacheBytes,
            BlockSize = RecordedBlockSize,
        };
        Server = new ServerOptions { Host = "127.0.0.1", Port = 0, ApiKeyScope = ApiKeyScope.V1 };
        JsonElement variables = run.Settings.GetProperty("environment");
        Environment = ServerEnvironment.Read(name =>
            variables.TryGetProperty(name, out JsonElement value) ? value.GetString() : null);
        while (_flags.TryDequeue(out string? flag)) Apply(flag, run);
    }

    public EngineOptions Engine { get; private set; }

    public ServerOptions Server { get; private set; }

    public ServerEnvironment Environment { get; }

    public IReadOnlyList<string> UnknownFlags => _unknown;

    /// <summary>Members of answers that the run's flags change and ours do not.</summary>
    public IReadOnlyList<string> IncomparableMembers => _incomparable;

    void Apply(string flag, RecordedRun run)
    {
        switch (flag)
        {
            case "--served-model-name": Engine = Engine with { ServedModelName = Values() }; break;
            case "--dtype": Engine = Engine with { Dtype = Value() }; break;
            case "--max-model-len": Engine = Engine with { MaxModelLen = Number() }; break;
            case "--max-num-batched-tokens": Engine = Engine with { MaxNumBatchedTokens = Number() }; break;
            case "--max-num-seqs": Engine = Engine with { MaxNumSeqs = Number() }; break;
            case "--max-logprobs": Engine = Engine with { MaxLogprobs = Number() }; break;
            case "--logprobs-mode":
                Engine = Engine with { LogprobsMode = Enum.Parse<LogprobsMode>(Value().Replace("_", ""), ignoreCase: true) };
                break;
            case "--long-prefill-token-threshold": Engine = Engine with { LongPrefillTokenThreshold = Number() }; break;
            case "--no-enable-prefix-caching": Engine = Engine with { EnablePrefixCaching = false }; break;
            case "--override-generation-config":
                Engine = Engine with { OverrideGenerationConfig = Defaults(Value()) };
                break;
            case "--scheduling-policy":
                Engine = Engine with { SchedulingPolicy = Enum.Parse<SchedulingPolicy>(Value(), true) };
                break;
            case "--hf-overrides":
                Engine = Engine with { Model = OverriddenModel.Make(Engine.Model, Value()) };
                break;
            case "--chat-template":
                Value();
                Engine = Engine with { ChatTemplate = run.Settings.GetProperty("chat_template").GetString() };
                break;
            default: ApplyToServer(flag); break;
        }
    }

    void ApplyToServer(string flag)
    {
        switch (flag)
        {
            case "--api-key": Server = Server with { ApiKey = Values() }; break;
            case "--stream-interval": Server = Server with { StreamInterval = Number() }; break;
            case "--response-role": Server = Server with { ResponseRole = Value() }; break;
            case "--enable-prompt-tokens-details": Server = Server with { EnablePromptTokensDetails = true }; break;
            case "--enable-force-include-usage": Server = Server with { EnableForceIncludeUsage = true }; break;
            case "--return-tokens-as-token-ids": Server = Server with { ReturnTokensAsTokenIds = true }; break;
            case "--enable-server-load-tracking": Server = Server with { EnableServerLoadTracking = true }; break;
            case "--enable-request-id-headers": Server = Server with { EnableRequestIdHeaders = true }; break;
            case "--trust-request-chat-template": Server = Server with { TrustRequestChatTemplate = true }; break;
            case "--allow-credentials": Server = Server with { AllowCredentials = true }; break;
            case "--allowed-origins": Server = Server with { AllowedOrigins = JsonList() }; break;
            case "--fingerprint-mode":
                Server = Server with { FingerprintMode = Enum.Parse<FingerprintMode>(Value(), true) };
                break;
            case "--fingerprint-value": Server = Server with { FingerprintValue = Value() }; break;
            case "--enable-per-request-metrics": Server = Server with { EnablePerRequestMetrics = true }; break;
            case "--enable-tokenizer-info-endpoint": Server = Server with { EnableTokenizerInfoEndpoint = true }; break;
            default:
                if (ChangedMembers.TryGetValue(flag, out string? member)) _incomparable.Add(member);
                else if (!WithoutMeaningHere.Contains(flag)) _unknown.Add(flag);
                Values();
                break;
        }
    }

    static SamplingDefaults Defaults(string json)
    {
        JsonElement config = JsonDocument.Parse(json).RootElement;
        return new SamplingDefaults
        {
            Temperature =
                config.TryGetProperty("temperature", out JsonElement temperature) ? temperature.GetSingle() : null,
            RepetitionPenalty =
                config.TryGetProperty("repetition_penalty", out JsonElement penalty) ? penalty.GetSingle() : null,
            MaxNewTokens = config.TryGetProperty("max_new_tokens", out JsonElement tokens) ? tokens.GetInt32() : null,
        };
    }

    string Value() => _flags.Dequeue();

    int Number() => int.Parse(Value(), CultureInfo.InvariantCulture);

    List<string> Values()
    {
        List<string> values = [];
        while (_flags.TryPeek(out string? next) && !next.StartsWith("--")) values.Add(_flags.Dequeue());
        return values;
    }

    List<string> JsonList() =>
        [.. JsonDocument.Parse(Value()).RootElement.EnumerateArray().Select(e => e.GetString()!)];
}
