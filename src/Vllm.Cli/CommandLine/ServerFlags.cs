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
            "Largest request body.")
        .Group("SchedulerConfig")
        .Value("--stream-interval", ValueTypes.Int, o => o.StreamInterval, (o, v) => o with { StreamInterval = v },
            "Tokens that a stream chunk waits for.")
        .Value("--max-num-queued-reqs", ValueTypes.OptionalInt,
            o => o.MaxNumQueuedReqs, (o, v) => o with { MaxNumQueuedReqs = v },
            "Most requests that wait or run at once; more are answered 503. No limit by default.");
}
