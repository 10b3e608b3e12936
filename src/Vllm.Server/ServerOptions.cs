using System.Text.Json;

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

    /// <summary>PEM file with the server's certificate and, after it, those that signed it; serves HTTPS.</summary>
    public string? SslCertfile { get; init; }

    /// <summary>PEM file with the certificate's private key; null = the key stands in
    /// <see cref="SslCertfile"/>.</summary>
    public string? SslKeyfile { get; init; }

    /// <summary>PEM file with the authorities that client certificates must come from; null = the machine's
    /// own.</summary>
    public string? SslCaCerts { get; init; }

    /// <summary>Whether clients must show a certificate: 0 = no, 1 = may, 2 = must (the values of Python's
    /// <c>ssl.CERT_*</c>).</summary>
    public int SslCertReqs { get; init; }

    /// <summary>OpenSSL names of the cipher suites to offer to clients of TLS 1.2, joined by <c>:</c>; null = the
    /// system's choice. Linux only.</summary>
    public string? SslCiphers { get; init; }

    /// <summary>Read certificate and key anew when their files change.</summary>
    public bool EnableSslRefresh { get; init; }

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

    /// <summary>Variables of the chat template for requests that do not set them; a JSON object.</summary>
    public string? DefaultChatTemplateKwargs { get; init; }

    /// <summary>How templates get a message's content: as a string, as OpenAI's list of parts, or (auto) as the
    /// template seems to read it.</summary>
    public ChatTemplateContentFormat ChatTemplateContentFormat { get; init; }

    /// <summary>What <c>system_fingerprint</c> of answers says.</summary>
    public FingerprintMode FingerprintMode { get; init; }

    /// <summary>The text of <see cref="FingerprintMode.Custom"/>.</summary>
    public string? FingerprintValue { get; init; }

    /// <summary>Report the times of each request in its answer.</summary>
    public bool EnablePerRequestMetrics { get; init; }

    /// <summary>Serve <c>/tokenizer_info</c>, which shows the tokenizer's settings and the chat template.</summary>
    public bool EnableTokenizerInfoEndpoint { get; init; }

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

    /// <summary>Most answers under way, waiting and running; a request that would exceed it is refused with 503. A
    /// request for <c>n</c> answers counts n. Null = no limit.</summary>
    public int? MaxNumQueuedReqs { get; init; }

    /// <summary>Prompt tokens of requests without a first token yet, from which on requests are refused with 503. Null
    /// = no limit.</summary>
    public long? MaxNumQueuedTokens { get; init; }

    /// <summary>Largest request body; larger ones are refused with 413. 32 MiB holds the longest prompts and is the
    /// limit of vLLM's <c>VLLM_HTTP_MAX_REQUEST_BODY_SIZE</c>.</summary>
    public long MaxRequestBodySizeBytes { get; init; } = 32 << 20;

    /// <summary>Most bytes of a request's line and headers together.</summary>
    public int H11MaxIncompleteEventSize { get; init; } = 4 << 20;

    /// <summary>Most headers of a request.</summary>
    public int H11MaxHeaderCount { get; init; } = 256;

    /// <summary>Bytes per second that a client must take while it has answers waiting; a slower one is disconnected, and
    /// its request aborted, once the buffered bytes (64 KiB at most) should have gone and 5 seconds more. 0 = wait for
    /// ever, as vLLM does. 240 is Kestrel's default, far below any reader of text.</summary>
    public double MinResponseDataRate { get; init; } = 240;

    /// <summary>Log each request that arrives.</summary>
    public bool EnableLogRequests { get; init; }

    /// <summary>Log each answer; needs <see cref="EnableLogRequests"/>.</summary>
    public bool EnableLogOutputs { get; init; }

    /// <summary>With <see cref="EnableLogOutputs"/>, log each piece of a stream too.</summary>
    public bool EnableLogDeltas { get; init; } = true;

    /// <summary>Most characters and token ids of a prompt or answer that are logged; null = all.</summary>
    public int? MaxLogLen { get; init; }

    /// <summary>Least important messages of the HTTP layer that are logged. The access log is at level info.</summary>
    public string UvicornLogLevel { get; init; } = "info";

    /// <summary>Log no line per HTTP request.</summary>
    public bool DisableUvicornAccessLog { get; init; }

    /// <summary>Paths whose requests get no line in the access log, separated by commas.</summary>
    public string? DisableAccessLogForEndpoints { get; init; }

    /// <summary>Log where in the server an error answer came from.</summary>
    public bool LogErrorStack { get; init; }

    /// <summary>How long <see cref="ApiServer.StopAsync"/> lets running requests go on before it aborts them.</summary>
    public TimeSpan ShutdownTimeout { get; init; }

    static readonly string[] UvicornLogLevels = ["critical", "error", "warning", "info", "debug", "trace"];

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
        Check(MaxNumQueuedTokens is null or >= 0,
            $"max_num_queued_tokens must not be negative, got {MaxNumQueuedTokens}.");
        Check(H11MaxIncompleteEventSize > 0,
            $"h11_max_incomplete_event_size must be positive, got {H11MaxIncompleteEventSize}.");
        Check(H11MaxHeaderCount > 0, $"h11_max_header_count must be positive, got {H11MaxHeaderCount}.");
        Check(MinResponseDataRate >= 0, $"min_response_data_rate must not be negative, got {MinResponseDataRate}.");
        Check(MaxLogLen is null or >= 0, $"max_log_len must not be negative, got {MaxLogLen}.");
        Check(EnableLogRequests || !EnableLogOutputs, "enable_log_outputs needs enable_log_requests.");
        Check(UvicornLogLevels.Contains(UvicornLogLevel),
            $"uvicorn_log_level must be one of {string.Join(", ", UvicornLogLevels)}, got '{UvicornLogLevel}'.");
        Check((FingerprintMode == FingerprintMode.Custom) == FingerprintValue is { Length: > 0 },
            "fingerprint_mode custom needs fingerprint_value, which no other mode takes.");
        Check(DefaultChatTemplateKwargs is null || IsJsonObject(DefaultChatTemplateKwargs),
            $"default_chat_template_kwargs must be a JSON object, got '{DefaultChatTemplateKwargs}'.");
        CheckTls(Check);
        Check(ShutdownTimeout >= TimeSpan.Zero, $"shutdown_timeout must not be negative, got {ShutdownTimeout}.");
        return problems;

        void Check(bool isRight, string problem)
        {
            if (!isRight) problems.Add(problem);
        }
    }

    void CheckTls(Action<bool, string> check)
    {
        check(SslCertReqs is >= 0 and <= 2, $"ssl_cert_reqs must be 0, 1 or 2, got {SslCertReqs}.");
        bool needsCertificate = SslKeyfile is not null || SslCaCerts is not null || SslCertReqs != 0
            || SslCiphers is not null || EnableSslRefresh;
        check(SslCertfile is not null || !needsCertificate, "ssl_keyfile, ssl_ca_certs, ssl_cert_reqs, ssl_ciphers and "
            + "enable_ssl_refresh need ssl_certfile.");
    }

    static bool IsJsonObject(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

/// <summary>Forms of <c>system_fingerprint</c>.</summary>
public enum FingerprintMode
{
    /// <summary><c>vllm-VERSION-HASH</c>.</summary>
    Full,

    /// <summary>The hash of model and set-up alone, which does not tell the version.</summary>
    Hash,

    /// <summary><see cref="ServerOptions.FingerprintValue"/>.</summary>
    Custom,

    /// <summary>None at all.</summary>
    None,
}

/// <summary>Forms of a message's content in a chat template.</summary>
public enum ChatTemplateContentFormat
{
    /// <summary>As the template reads it.</summary>
    Auto,

    /// <summary>The texts of the parts, joined.</summary>
    String,

    /// <summary>A list of parts.</summary>
    Openai,
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
