namespace Vllm.Server;

/// <summary>Where and how the HTTP API is served. Names and defaults are those of <c>vllm serve</c>'s flags.</summary>
public sealed record ServerOptions
{
    /// <summary>Address to listen on; null = all addresses.</summary>
    public string? Host { get; init; }

    /// <summary>TCP port; 0 = any free one (see <see cref="ApiServer.Address"/>).</summary>
    public int Port { get; init; } = 8000;

    /// <summary>Path of a Unix domain socket to listen on in place of host and port.</summary>
    public string? Uds { get; init; }

    /// <summary>Path prefix that a proxy strips or leaves: <c>/llm</c>.</summary>
    public string? RootPath { get; init; }

    /// <summary>Keys of which a client must send one as bearer token; empty = open to all.</summary>
    public IReadOnlyList<string> ApiKey { get; init; } = [];

    /// <summary>What the keys guard.</summary>
    public ApiKeyScope ApiKeyScope { get; init; }

    /// <summary>Web origins that may read answers; <c>*</c> = all. Empty as in vLLM 0.32 and later.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>Methods that those origins may use; <c>*</c> = all.</summary>
    public IReadOnlyList<string> AllowedMethods { get; init; } = ["*"];

    /// <summary>Headers that those origins may send; <c>*</c> = all.</summary>
    public IReadOnlyList<string> AllowedHeaders { get; init; } = ["*"];

    /// <summary>Let those origins send cookies and authorization.</summary>
    public bool AllowCredentials { get; init; }

    /// <summary>Role of generated messages.</summary>
    public string ResponseRole { get; init; } = "assistant";

    /// <summary>Send <c>X-Request-Id</c> with every answer.</summary>
    public bool EnableRequestIdHeaders { get; init; }

    /// <summary>Take chat templates from requests. Off by default: a template is a program.</summary>
    public bool TrustRequestChatTemplate { get; init; }

    /// <summary>Give streams a usage chunk, and usage on every chunk, whatever the request says.</summary>
    public bool EnableForceIncludeUsage { get; init; }

    /// <summary>Report cached prompt tokens in <c>usage</c>.</summary>
    public bool EnablePromptTokensDetails { get; init; }

    /// <summary>Write <c>token_id:17</c> in place of the tokens of log-probabilities.</summary>
    public bool ReturnTokensAsTokenIds { get; init; }

    /// <summary>Count the requests under way for <c>/load</c>.</summary>
    public bool EnableServerLoadTracking { get; init; }

    /// <summary>Tokens that a stream chunk waits for, except at the end.</summary>
    public int StreamInterval { get; init; } = 1;

    /// <summary>Idle time after which a stream sends a comment; null = never.</summary>
    public TimeSpan? SseKeepAliveInterval { get; init; }

    /// <summary>Most requests that wait for a place; what would have to wait beyond them is answered 503. Null = no
    /// limit.</summary>
    public int? MaxNumQueuedReqs { get; init; }

    /// <summary>Largest request body. 32 MiB holds the longest prompts; Kestrel's own default is 30 MB.</summary>
    public long MaxRequestBodySizeBytes { get; init; } = 32 << 20;

    /// <summary>How long <see cref="ApiServer.StopAsync"/> lets running requests go on before it aborts them.</summary>
    public TimeSpan ShutdownTimeout { get; init; }

    /// <summary>All that is wrong with the options; empty when nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        Check(Port is >= 0 and <= 65535, $"port must be 0 to 65535, got {Port}.");
        Check(RootPath is null || RootPath.StartsWith('/'), $"root_path must begin with '/', got '{RootPath}'.");
        Check(!ApiKey.Contains(""), "api_key must not be empty.");
        Check(StreamInterval > 0, $"stream_interval must be positive, got {StreamInterval}.");
        Check(SseKeepAliveInterval is null || SseKeepAliveInterval > TimeSpan.Zero,
            $"sse_keep_alive_interval must be positive, got {SseKeepAliveInterval}.");
        Check(MaxNumQueuedReqs is null or >= 0, $"max_num_queued_reqs must not be negative, got {MaxNumQueuedReqs}.");
        Check(MaxRequestBodySizeBytes > 0, $"the body size limit must be positive, got {MaxRequestBodySizeBytes}.");
        Check(ShutdownTimeout >= TimeSpan.Zero, $"shutdown_timeout must not be negative, got {ShutdownTimeout}.");
        return problems;

        void Check(bool isRight, string problem)
        {
            if (!isRight) problems.Add(problem);
        }
    }
}

/// <summary>Which routes a key guards.</summary>
public enum ApiKeyScope
{
    /// <summary>Every route but <c>/health</c> and <c>/ping</c>.</summary>
    All,

    /// <summary>Paths that begin with <c>/v1</c>, <c>/v2</c>, <c>/inference</c> or <c>/cohere</c>, as in
    /// vLLM.</summary>
    V1,
}
