using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Developer;
using Vllm.Server.Generation;
using Vllm.Server.Health;
using Vllm.Server.Http;
using Vllm.Server.Metrics;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;
using Vllm.Server.Scoring;
using Vllm.Server.Tokenize;

namespace Vllm.Server;

/// <summary>Which path leads to which endpoint.</summary>
sealed class ApiRoutes(WebApplication app, RouteForms forms, EndpointBoundary boundary)
{
    /// <summary>Routes that vLLM has for every model and that here are not there yet.</summary>
    static readonly string[] NotSupportedYet =
        ["/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/scale_elastic_ep"];

    /// <summary>Routes for models that answer by decisions, which no supported model does.</summary>
    static readonly string[] DecisionRoutes = ["/v1/systemone", "/v1/decisions"];

    /// <summary>Routes of <c>--enable-scale-out</c>, which does not exist here.</summary>
    static readonly string[] ScaleOutRoutes =
    [
        "/inference/v1/generate", "/inference/v1/abort_requests", "/v1/chat/completions/render",
        "/v1/chat/completions/derender", "/v1/completions/render", "/v1/completions/derender", "/v1/messages/render",
        "/v1/responses/render",
    ];

    public void Map(RequestRules rules, AsyncLLM engine, HttpMetrics httpMetrics, ILogger logger)
    {
        var models = new ServedModels(engine.Config, rules.Environment);
        var active = new ActiveRequests(rules.Options, engine);
        var generator = new Generator(engine, rules, models, active, new RequestLog(rules.Options, logger));
        MapGeneration(generator, new ChatPrompts(engine, rules.Options, models));
        MapService(engine, models);
        Map("GET,HEAD,POST", "/metrics", new MetricsEndpoint(engine, httpMetrics, models, active).Get,
            allowsTrailingSlash: true);
        if (rules.Options.EnableTokenizerInfoEndpoint)
            Map("GET", "/tokenizer_info", new TokenizerInfo(engine.Config).Get);
        if (rules.Environment.DevMode) MapDeveloper(new DeveloperEndpoints(engine, active));
        MapMissing();
    }

    void MapGeneration(Generator generator, ChatPrompts chatPrompts)
    {
        var load = new ServerLoad(generator.Options);
        var chat = new ChatCompletionsEndpoint(generator, chatPrompts);
        var completions = new CompletionsEndpoint(generator);
        var tokenize = new TokenizeEndpoints(generator, chatPrompts);

        Map("POST", "/v1/chat/completions", Tracked(chat.Handle));
        Map("POST", "/v1/chat/completions/batch", Tracked(new BatchChatEndpoint(generator, chatPrompts).Handle));
        Map("POST", "/v1/completions", Tracked(completions.Handle));
        Map("POST", "/invocations", Invocations);
        Map("POST", "/generative_scoring", Tracked(new GenerativeScoringEndpoint(generator).Handle));
        Map("POST", "/tokenize", tokenize.Tokenize);
        Map("POST", "/detokenize", tokenize.Detokenize);
        Map("GET", "/load", load.Get);

        RequestDelegate Tracked(RequestDelegate endpoint) => context => load.Track(context, endpoint);

        // SageMaker's one route: what the body looks like says which it is.
        async Task Invocations(HttpContext context)
        {
            JsonElement body = await JsonBody.Read(context.Request);
            bool isChat = new RequestFields(body).TryGet("messages", out _);
            await (isChat ? chat.Handle(context, body) : completions.Handle(context, body));
        }
    }

    void MapService(AsyncLLM engine, ServedModels models)
    {
        Map("GET", "/v1/models", models.List);
        Map("GET", "/health", HealthEndpoints.Health(engine));
        Map("GET,POST", "/ping", HealthEndpoints.Health(engine));
        Map("GET", "/version", HealthEndpoints.Version);
        // Nothing here publishes events of the KV cache.
        Map("GET", "/kv_event_sources", context => JsonText.Respond(context, 0, static (json, _) =>
        {
            json.WriteStartObject();
            json.WriteEndObject();
        }));
        Map("POST", "/is_scaling_elastic_ep", context => JsonText.Respond(context, 0, static (json, _) =>
        {
            json.WriteStartObject();
            json.WriteBoolean("is_scaling_elastic_ep", false);
            json.WriteEndObject();
        }));
    }

    void MapDeveloper(DeveloperEndpoints developer)
    {
        Map("POST", "/reset_prefix_cache", developer.ResetPrefixCache);
        Map("POST", "/reset_mm_cache", DeveloperEndpoints.ResetNothing);
        Map("POST", "/reset_encoder_cache", DeveloperEndpoints.ResetNothing);
        Map("GET", "/is_sleeping", DeveloperEndpoints.IsSleeping);
        Map("POST", "/pause", developer.Pause);
        Map("POST", "/resume", developer.Resume);
        Map("GET", "/is_paused", developer.IsPaused);
        Map("POST", "/abort_requests", developer.AbortRequests);
        Map("GET", "/server_info", developer.ServerInfo);
        Map("GET", "/get_world_size", DeveloperEndpoints.WorldSize);
        foreach ((string method, string path) in DeveloperEndpoints.NotSupported) MapNotSupported(method, path);
    }

    void MapMissing()
    {
        foreach (string path in NotSupportedYet.Concat(DecisionRoutes)) MapNotSupported("POST", path);
        foreach (string path in ScaleOutRoutes)
        {
            Map("POST", path, _ => throw new RequestException(new ApiError(StatusCodes.Status403Forbidden,
                "PermissionDeniedError",
                "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.")));
        }
    }

    void MapNotSupported(string method, string path) =>
        Map(method, path, _ => throw RequestException.RouteNotSupportedYet(path));

    /// <summary>Maps a path to an endpoint inside the error boundary, and tells <see cref="RouteForms"/> of
    /// it.</summary>
    void Map(string methods, string path, RequestDelegate endpoint, bool allowsTrailingSlash = false)
    {
        forms.Add(path);
        if (allowsTrailingSlash) forms.Add(path + "/");
        app.MapMethods(path, methods.Split(','), context => boundary.Run(context, endpoint));
    }
}
