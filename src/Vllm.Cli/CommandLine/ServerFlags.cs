using Vllm.Server;

namespace Vllm.Cli.CommandLine;

/// <summary>The flags of <see cref="ServerOptions"/>.</summary>
static class ServerFlags
{
    public static OptionTable<ServerOptions> Table { get; } = new OptionTable<ServerOptions>()
        .Value("--host", ValueTypes.OptionalText("ADDRESS"), o => o.Host, (o, v) => o with { Host = v },
            "Address to listen on; all addresses when none is given.")
        .Value("--port", ValueTypes.Port, o => o.Port, (o, v) => o with { Port = v },
            "TCP port; 0 = any free one.")
        .List("--api-key", ValueTypes.Text("KEY"), o => o.ApiKey, (o, v) => o with { ApiKey = v },
            "Keys of which a client must send one as bearer token; also VLLM_API_KEY.")
        .Value("--api-key-scope", ValueTypes.Choice(("all", ApiKeyScope.All), ("v1", ApiKeyScope.V1)),
            o => o.ApiKeyScope, (o, v) => o with { ApiKeyScope = v },
            "What the keys guard: every route but /health and /ping, or the API's paths only, as vLLM does.")
        .Value("--shutdown-timeout", ValueTypes.Seconds,
            o => o.ShutdownTimeout, (o, v) => o with { ShutdownTimeout = v },
            "How long running requests may go on after Ctrl-C or SIGTERM; 0 ends them at once.")
        .Group("Frontend")
        .Value("--uds", ValueTypes.OptionalText("PATH"), o => o.Uds, (o, v) => o with { Uds = v },
            "Unix domain socket to listen on in place of host and port.")
        .Value("--ssl-certfile", ValueTypes.OptionalText("FILE"),
            o => o.SslCertfile, (o, v) => o with { SslCertfile = v },
            "PEM file with the server's certificate and those that signed it; serves HTTPS.")
        .Value("--ssl-keyfile", ValueTypes.OptionalText("FILE"), o => o.SslKeyfile, (o, v) => o with { SslKeyfile = v },
            "PEM file with the certificate's private key.")
        .Value("--ssl-ca-certs", ValueTypes.OptionalText("FILE"),
            o => o.SslCaCerts, (o, v) => o with { SslCaCerts = v },
            "PEM file with the authorities that client certificates must come from.")
        .Value("--ssl-cert-reqs", ValueTypes.Int, o => o.SslCertReqs, (o, v) => o with { SslCertReqs = v },
            "Whether clients must show a certificate: 0 = no, 1 = may, 2 = must.")
        .Value("--ssl-ciphers", ValueTypes.OptionalText("SUITES"),
            o => o.SslCiphers, (o, v) => o with { SslCiphers = v },
            "OpenSSL names of the cipher suites to offer to clients of TLS 1.2, joined by colons.")
        .Pair("--enable-ssl-refresh", o => o.EnableSslRefresh, (o, v) => o with { EnableSslRefresh = v },
            "Read certificate and key anew when their files change.")
        .Value("--root-path", ValueTypes.OptionalText("PATH"), o => o.RootPath, (o, v) => o with { RootPath = v },
            "Path prefix that a proxy leaves in requests.")
        .Value("--allowed-origins", ValueTypes.JsonList, o => o.AllowedOrigins, (o, v) => o with { AllowedOrigins = v },
            "Web origins that may read answers (CORS); [\"*\"] = all.")
        .Value("--allowed-methods", ValueTypes.JsonList, o => o.AllowedMethods, (o, v) => o with { AllowedMethods = v },
            "Methods that those origins may use.")
        .Value("--allowed-headers", ValueTypes.JsonList, o => o.AllowedHeaders, (o, v) => o with { AllowedHeaders = v },
            "Headers that those origins may send.")
        .Pair("--allow-credentials", o => o.AllowCredentials, (o, v) => o with { AllowCredentials = v },
            "Let those origins send cookies and authorization.")
        .Value("--response-role", ValueTypes.Text("ROLE"), o => o.ResponseRole, (o, v) => o with { ResponseRole = v },
            "Role of generated messages.")
        .Pair("--enable-request-id-headers",
            o => o.EnableRequestIdHeaders, (o, v) => o with { EnableRequestIdHeaders = v },
            "Send X-Request-Id with every answer.")
        .Pair("--trust-request-chat-template",
            o => o.TrustRequestChatTemplate, (o, v) => o with { TrustRequestChatTemplate = v },
            "Take chat templates from requests. A template is a program: for trusted clients only.")
        .Value("--default-chat-template-kwargs", ValueTypes.OptionalText(ValueTypes.JsonMetavar),
            o => o.DefaultChatTemplateKwargs, (o, v) => o with { DefaultChatTemplateKwargs = v },
            "Variables of the chat template for requests that do not set them.")
        .Value("--chat-template-content-format",
            ValueTypes.Choice(
                ("auto", ChatTemplateContentFormat.Auto), ("string", ChatTemplateContentFormat.String),
                ("openai", ChatTemplateContentFormat.Openai)),
            o => o.ChatTemplateContentFormat, (o, v) => o with { ChatTemplateContentFormat = v },
            "How templates get a message's content.")
        .Value("--fingerprint-mode",
            ValueTypes.Choice(
                ("full", FingerprintMode.Full), ("hash", FingerprintMode.Hash), ("custom", FingerprintMode.Custom),
                ("none", FingerprintMode.None)),
            o => o.FingerprintMode, (o, v) => o with { FingerprintMode = v },
            "What system_fingerprint of answers says.")
        .Value("--fingerprint-value", ValueTypes.OptionalText("TEXT"),
            o => o.FingerprintValue, (o, v) => o with { FingerprintValue = v },
            "The fingerprint of --fingerprint-mode custom.")
        .Pair("--enable-per-request-metrics",
            o => o.EnablePerRequestMetrics, (o, v) => o with { EnablePerRequestMetrics = v },
            "Report the times of each request in its answer.")
        .Pair("--enable-tokenizer-info-endpoint",
            o => o.EnableTokenizerInfoEndpoint, (o, v) => o with { EnableTokenizerInfoEndpoint = v },
            "Serve /tokenizer_info, which shows the tokenizer's settings and the chat template.")
        .Pair("--enable-force-include-usage",
            o => o.EnableForceIncludeUsage, (o, v) => o with { EnableForceIncludeUsage = v },
            "Give every stream usage, whatever the request says.")
        .Pair("--enable-prompt-tokens-details",
            o => o.EnablePromptTokensDetails, (o, v) => o with { EnablePromptTokensDetails = v },
            "Report cached prompt tokens in usage.")
        .Pair("--return-tokens-as-token-ids",
            o => o.ReturnTokensAsTokenIds, (o, v) => o with { ReturnTokensAsTokenIds = v },
            "Write token_id:17 in place of the tokens of log-probabilities.")
        .Pair("--enable-server-load-tracking",
            o => o.EnableServerLoadTracking, (o, v) => o with { EnableServerLoadTracking = v },
            "Count the requests under way for /load.")
        .Value("--sse-keep-alive-interval", ValueTypes.OptionalSeconds,
            o => o.SseKeepAliveInterval, (o, v) => o with { SseKeepAliveInterval = v },
            "Idle time after which a stream sends a comment; 0 = never.")
        .Value("--max-request-body-size", ValueTypes.HumanLong,
            o => o.MaxRequestBodySizeBytes, (o, v) => o with { MaxRequestBodySizeBytes = v },
            "Largest request body; larger ones are answered 413.")
        .Value("--h11-max-incomplete-event-size", ValueTypes.Int,
            o => o.H11MaxIncompleteEventSize, (o, v) => o with { H11MaxIncompleteEventSize = v },
            "Most bytes of a request's line and headers.")
        .Value("--h11-max-header-count", ValueTypes.Int,
            o => o.H11MaxHeaderCount, (o, v) => o with { H11MaxHeaderCount = v },
            "Most headers of a request.")
        .Value("--min-response-data-rate", ValueTypes.Double,
            o => o.MinResponseDataRate, (o, v) => o with { MinResponseDataRate = v },
            "Bytes per second that a client must take; a slower one is disconnected. 0 = wait for ever.")
        .Pair("--enable-log-requests", o => o.EnableLogRequests, (o, v) => o with { EnableLogRequests = v },
            "Log each request that arrives.")
        .Pair("--enable-log-outputs", o => o.EnableLogOutputs, (o, v) => o with { EnableLogOutputs = v },
            "Log each answer; needs --enable-log-requests.")
        .Pair("--enable-log-deltas", o => o.EnableLogDeltas, (o, v) => o with { EnableLogDeltas = v },
            "With --enable-log-outputs, log each piece of a stream too.")
        .Value("--max-log-len", ValueTypes.OptionalInt, o => o.MaxLogLen, (o, v) => o with { MaxLogLen = v },
            "Most characters and token ids of a prompt or answer that are logged.")
        .Value("--uvicorn-log-level", ValueTypes.Choice("critical", "error", "warning", "info", "debug", "trace"),
            o => o.UvicornLogLevel, (o, v) => o with { UvicornLogLevel = v },
            "Least important messages of the HTTP layer that are logged; the access log is at level info.")
        .Pair("--disable-uvicorn-access-log",
            o => o.DisableUvicornAccessLog, (o, v) => o with { DisableUvicornAccessLog = v },
            "Log no line per HTTP request.")
        .Value("--disable-access-log-for-endpoints", ValueTypes.OptionalText("PATHS"),
            o => o.DisableAccessLogForEndpoints, (o, v) => o with { DisableAccessLogForEndpoints = v },
            "Paths whose requests get no line in the access log, separated by commas.")
        .Pair("--log-error-stack", o => o.LogErrorStack, (o, v) => o with { LogErrorStack = v },
            "Log where in the server an error answer came from. On with VLLM_SERVER_DEV_MODE=1.")
        .Group("SchedulerConfig")
        .Value("--stream-interval", ValueTypes.Int, o => o.StreamInterval, (o, v) => o with { StreamInterval = v },
            "Tokens that a stream chunk waits for.")
        .Value("--max-num-queued-reqs", ValueTypes.OptionalInt,
            o => o.MaxNumQueuedReqs, (o, v) => o with { MaxNumQueuedReqs = v },
            "Most answers that wait or run at once; more are answered 503. No limit by default.")
        .Value("--max-num-queued-tokens", ValueTypes.OptionalHumanLong with { Metavar = "N" },
            o => o.MaxNumQueuedTokens, (o, v) => o with { MaxNumQueuedTokens = v },
            "Prompt tokens without a first token yet from which on requests are answered 503. No limit by default.");
}
