using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;
using Vllm.Engine.Requests;
using Vllm.Server.Metrics;
using Vllm.Server.Models;
using Vllm.Server.Protocol;
using Vllm.Text.Tokenization;

namespace Vllm.Server.Generation;

/// <summary>What the chat and completion endpoints do alike between reading a request and writing its answer.</summary>
sealed class Generator(AsyncLLM engine, ServerOptions options, ServedModels models, AdmissionRejections rejections)
{
    public AsyncLLM Engine => engine;

    public ServerOptions Options => options;

    public ServedModels Models => models;

    public Tokenizer Tokenizer => engine.Tokenizer;

    public TokenText TokenText { get; } = new(engine.Tokenizer);

    public PromptEncoder Prompts { get; } = new(engine.Tokenizer, engine.Config.MaxModelLen);

    /// <summary>Names version and set-up, so that clients see when answers may differ.</summary>
    public string SystemFingerprint { get; } = Fingerprint.Of(engine.Config);

    /// <summary>Refuses new work while the queue is full.</summary>
    public void Admit() => rejections.ThrowIfQueueIsFull();

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
        string requestId, IReadOnlyList<int> promptTokenIds, SamplingParams samplingParams, GenerationFields fields,
        int priority, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        EngineConfig config = engine.Config;
        foreach (int id in promptTokenIds)
            if (id >= config.VocabSize) throw RequestException.BadRequest($"Token id {id} is out of vocabulary");
        SamplingChecks.CheckAgainstModel(samplingParams, config, word => engine.Tokenizer.Encode(word, false).Length);

        // The server's interval is the least.
        int interval = Math.Max(fields.StreamInterval, options.StreamInterval);
        // Ids that clients choose may repeat; the engine's may not.
        string engineId = $"{requestId}-{Guid.NewGuid():N}";
        var generateOptions = new GenerateOptions { Priority = priority, CacheSalt = fields.CacheSalt };
        IAsyncEnumerable<RequestOutput> outputs = engine.Generate(
            engineId, promptTokenIds, samplingParams with { StreamInterval = interval }, generateOptions, cancellationToken);
        await foreach (RequestOutput output in outputs)
        {
            if (output.Outputs.Any(o => o.FinishReason == FinishReason.Error))
                throw RequestException.Internal(output.Error ?? "Internal server error");
            yield return output;
        }
    }

    /// <summary>Searches for one prompt's most likely answers; one output, at the end.</summary>
    public async IAsyncEnumerable<RequestOutput> BeamSearch(
        string requestId, IReadOnlyList<int> promptTokenIds, BeamSearchParams beamSearchParams, GenerationFields fields,
        int priority, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var generateOptions = new GenerateOptions { Priority = priority, CacheSalt = fields.CacheSalt };
        RequestOutput output = await engine.BeamSearchAsync(
            $"{requestId}-{Guid.NewGuid():N}", promptTokenIds, beamSearchParams, generateOptions, cancellationToken);
        if (output.Outputs[0].FinishReason == FinishReason.Error)
            throw RequestException.Internal(output.Error ?? "Internal server error");
        yield return output;
    }

    /// <summary>The <c>X-Vllm-Priority</c> header, when it is a number, wins over the body.</summary>
    public static int Priority(HttpContext context, GenerationFields fields) =>
        int.TryParse(context.Request.Headers["X-Vllm-Priority"], CultureInfo.InvariantCulture, out int priority)
            ? priority
            : fields.Priority;

    public int? CachedTokens(int numCachedTokens) => options.EnablePromptTokensDetails ? numCachedTokens : null;

    public bool IncludesUsage(GenerationFields fields) => fields.IncludeUsage || options.EnableForceIncludeUsage;

    public bool UsageIsContinuous(GenerationFields fields) =>
        fields.ContinuousUsageStats || options.EnableForceIncludeUsage;

    public static long UnixTime => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
}
