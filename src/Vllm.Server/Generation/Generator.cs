using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vllm.Engine.Requests;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;
using Vllm.Text.Tokenization;

namespace Vllm.Server.Generation;

/// <summary>What the chat and completion endpoints do alike between reading a request and writing its answer.</summary>
sealed class Generator(
    AsyncLLM engine, RequestRules rules, ServedModels models, ActiveRequests active, RequestLog log)
{
    public AsyncLLM Engine => engine;

    public RequestRules Rules => rules;

    public ServerOptions Options => rules.Options;

    public ServedModels Models => models;

    public ActiveRequests Active => active;

    public Tokenizer Tokenizer => engine.Tokenizer;

    public TokenText TokenText { get; } = new(engine.Tokenizer);

    public PromptEncoder Prompts { get; } = new(engine.Tokenizer, engine.Config.MaxModelLen);

    /// <summary>Names version and set-up, so that clients see when answers may differ.</summary>
    public string? SystemFingerprint { get; } = Fingerprint.Of(engine.Config, rules.Options);

    /// <summary>In a chunk of a stream, where nulls are left out.</summary>
    public void WriteFingerprint(Utf8JsonWriter json)
    {
        if (SystemFingerprint is not null) json.WriteString("system_fingerprint", SystemFingerprint);
    }

    /// <summary>The id of an answer: the client's own behind the prefix, or a random one.</summary>
    public static string RequestId(HttpContext context, string prefix, string? bodyId)
    {
        string? header = context.Request.Headers["X-Request-Id"];
        return prefix + (string.IsNullOrEmpty(header) ? bodyId ?? Guid.NewGuid().ToString("N") : header);
    }

    /// <summary>Tokens that an answer may have: what is left of the model's length, the request's or the model's own
    /// wish.</summary>
    public Int128 MaxTokens(Int128? requested, int numPromptTokens)
    {
        EngineConfig config = engine.Config;
        if (requested > config.MaxModelLen)
        {
            throw RequestException.Value(
                $"max_tokens={requested} cannot be greater than max_model_len={config.MaxModelLen}. "
                + "Please request fewer output tokens.", "max_tokens", $"{requested}");
        }
        SamplingDefaults defaults = config.SamplingDefaults;
        Int128 wanted = requested ?? defaults.MaxNewTokens ?? int.MaxValue;
        Int128 limit = defaults.MaxNewTokensIsLimit && defaults.MaxNewTokens is { } max ? max : int.MaxValue;
        return Int128.Min(Int128.Min(wanted, limit), config.MaxModelLen - numPromptTokens);
    }

    /// <summary>Runs one prompt. The checks against the model come with the first output, as in vLLM: in a stream they
    /// are events.</summary>
    public async IAsyncEnumerable<RequestOutput> Generate(
        ActiveRequests.Admission admission, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams,
        GenerationFields fields, int priority, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        EngineConfig config = engine.Config;
        foreach (int id in promptTokenIds)
            if (id >= config.VocabSize) throw RequestException.BadRequest($"Token id {id} is out of vocabulary");
        SamplingChecks.CheckAgainstModel(samplingParams, config, rules.Environment, engine.Tokenizer);

        // The server's interval is the least.
        int interval = Math.Max(fields.StreamInterval, Options.StreamInterval);
        // Ids that clients choose may repeat; the engine's may not.
        string engineId = $"{admission.RequestId}-{Guid.NewGuid():N}";
        log.Arrived(admission.RequestId, samplingParams, promptTokenIds);
        admission.Begin(engineId, promptTokenIds.Count);
        var generateOptions = new GenerateOptions
        {
            Priority = priority,
            CacheSalt = fields.CacheSalt,
            OnFirstToken = () => admission.EndPrefill(engineId),
        };
        IAsyncEnumerable<RequestOutput> outputs = engine.Generate(
            engineId, promptTokenIds, samplingParams with { StreamInterval = interval }, generateOptions, cancellationToken);
        RequestLog.OutputLog? outputLog = log.Follow(admission.RequestId, fields.Stream);
        await foreach (RequestOutput output in outputs)
        {
            if (output.Outputs.Any(o => o.FinishReason == FinishReason.Error)) throw Failure(output);
            if (outputLog is not null)
                foreach (CompletionOutput one in output.Outputs) outputLog.Add(one);
            yield return output;
        }
    }

    /// <summary>Searches for one prompt's most likely answers; one output, at the end.</summary>
    public async IAsyncEnumerable<RequestOutput> BeamSearch(
        ActiveRequests.Admission admission, IReadOnlyList<int> promptTokenIds, BeamSearchParams beamSearchParams,
        GenerationFields fields, int priority, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var generateOptions = new GenerateOptions { Priority = priority, CacheSalt = fields.CacheSalt };
        RequestOutput output = await engine.BeamSearchAsync(
            $"{admission.RequestId}-{Guid.NewGuid():N}", promptTokenIds, beamSearchParams, generateOptions,
            cancellationToken);
        if (output.Outputs[0].FinishReason == FinishReason.Error) throw Failure(output);
        yield return output;
    }

    /// <summary>What broke is for the log, not for the client.</summary>
    Exception Failure(RequestOutput output)
    {
        log.Failed(output);
        return RequestException.Internal(
            engine.IsHealthy ? "Internal server error" : EndpointBoundary.NeutralMessage);
    }

    /// <summary>Lets a request in, within the queue limits.</summary>
    /// <exception cref="RequestException">503: a limit is reached.</exception>
    public ValueTask<ActiveRequests.Admission> Admit(string requestId, int numPrompts, int n, HttpContext context) =>
        active.Enter(requestId, (long)numPrompts * Math.Max(n, 1), context.RequestAborted);

    /// <summary>The <c>X-Vllm-Priority</c> header, when it is a number, wins over the body.</summary>
    public static int Priority(HttpContext context, GenerationFields fields) =>
        int.TryParse(context.Request.Headers["X-Vllm-Priority"], CultureInfo.InvariantCulture, out int priority)
            ? priority
            : fields.Priority;

    public int? CachedTokens(int numCachedTokens) => Options.EnablePromptTokensDetails ? numCachedTokens : null;

    /// <summary>Prompt tokens whose blocks a request has added to the prefix cache.</summary>
    public int CreatedCacheTokens(int numPromptTokens, int numCachedTokens)
    {
        if (!engine.Config.Options.EnablePrefixCaching) return 0;
        int numInFullBlocks = numPromptTokens / engine.Config.BlockSize * engine.Config.BlockSize;
        return Math.Max(numInFullBlocks - numCachedTokens, 0);
    }

    /// <summary>The times of a request with one answer, from its last outputs, for the <c>metrics</c> field.</summary>
    public RequestMetrics? MetricsOf(IReadOnlyList<CompletionOutput> outputs) =>
        Options.EnablePerRequestMetrics && outputs is [{ Metrics: { } metrics }] ? metrics : null;

    public bool IncludesUsage(GenerationFields fields) => fields.IncludeUsage || Options.EnableForceIncludeUsage;

    public bool UsageIsContinuous(GenerationFields fields) =>
        fields.ContinuousUsageStats || Options.EnableForceIncludeUsage;

    public static long UnixTime => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
}
