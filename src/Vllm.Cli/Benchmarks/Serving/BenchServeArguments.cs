using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>The arguments of <c>bench serve</c>; vLLM's flags and defaults.</summary>
sealed record BenchServeArguments : CommandArguments
{
    const string CompletionsPath = "/v1/completions";
    const string ChatPath = "/v1/chat/completions";

    public DatasetArguments Dataset { get; init; } = new();
    public int Seed { get; init; }
    public string Backend { get; init; } = "openai";
    public string? BaseUrl { get; init; }
    public string Host { get; init; } = "127.0.0.1";
    public int Port { get; init; } = 8000;
    /// <summary>Null = the backend's.</summary>
    public string? Endpoint { get; init; }
    public IReadOnlyList<string> Header { get; init; } = [];
    public bool Insecure { get; init; }
    /// <summary>Null = the server's first.</summary>
    public string? Model { get; init; }
    public string? ServedModelName { get; init; }
    public string? Tokenizer { get; init; }
    public bool SkipTokenizerInit { get; init; }
    public double RequestRate { get; init; } = double.PositiveInfinity;
    public double Burstiness { get; init; } = 1;
    public int? MaxConcurrency { get; init; }
    public string? RampUpStrategy { get; init; }
    public int? RampUpStartRps { get; init; }
    public int? RampUpEndRps { get; init; }
    public int NumWarmups { get; init; }
    public int ReadyCheckTimeoutSec { get; init; }
    public bool DisableTqdm { get; init; }
    public bool IgnoreEos { get; init; }
    public int? Logprobs { get; init; }
    public double? TopP { get; init; }
    public int? TopK { get; init; }
    public double? MinP { get; init; }
    public double? Temperature { get; init; }
    public double? FrequencyPenalty { get; init; }
    public double? PresencePenalty { get; init; }
    public double? RepetitionPenalty { get; init; }
    public JsonObject? ExtraBody { get; init; }
    public string RequestIdPrefix { get; init; } = $"bench-{Guid.NewGuid().ToString("N")[..8]}-";
    public IReadOnlyList<string> Goodput { get; init; } = [];
    public string PercentileMetrics { get; init; } = "ttft,tpot,itl";
    public IReadOnlyList<double> MetricPercentiles { get; init; } = [99];
    public string? Label { get; init; }
    public bool SaveResult { get; init; }
    public bool SaveDetailed { get; init; }
    public bool AppendResult { get; init; }
    public IReadOnlyList<string> Metadata { get; init; } = [];
    public string? ResultDir { get; init; }
    public string? ResultFilename { get; init; }

    public bool IsChat => Backend == "openai-chat";

    public string ServerUrl => (BaseUrl ?? $"http://{Host}:{Port}").TrimEnd('/');

    public string Url => ServerUrl + (Endpoint ?? (IsChat ? ChatPath : CompletionsPath));

    public RampUp? RampUp => RampUpStrategy is null
        ? null
        : new(RampUpStrategy == "exponential", RampUpStartRps!.Value, RampUpEndRps!.Value);

    /// <summary>Fields of the request that flags set; those of --extra-body win.</summary>
    public IReadOnlyDictionary<string, JsonNode?> ExtraFields()
    {
        Dictionary<string, JsonNode?> fields = new(StringComparer.Ordinal)
        {
            ["top_p"] = TopP,
            ["top_k"] = TopK,
            ["min_p"] = MinP,
            ["temperature"] = Temperature,
            ["frequency_penalty"] = FrequencyPenalty,
            ["presence_penalty"] = PresencePenalty,
            ["repetition_penalty"] = RepetitionPenalty,
        };
        foreach (string unset in fields.Keys.Where(name => fields[name] is null).ToArray()) fields.Remove(unset);
        // As in vLLM: random prompts are answered in full, whatever the model would say.
        if (IgnoreEos || Dataset.EffectiveName == "random") fields["ignore_eos"] = true;
        foreach ((string name, JsonNode? value) in ExtraBody ?? []) fields[name] = value;
        return fields;
    }

    /// <exception cref="UsageException">A value is out of its range, or values do not go together.</exception>
    public void Check()
    {
        Dataset.Check();
        if (!Url.EndsWith(IsChat ? "chat/completions" : "completions", StringComparison.Ordinal)
            || (!IsChat && Url.EndsWith("chat/completions", StringComparison.Ordinal)))
        {
            throw new UsageException($"--backend {Backend} does not go with {Url}");
        }
        if (!Uri.TryCreate(Url, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https"))
            throw new UsageException($"'{Url}' is no address of a server");
        if (RequestRate <= 0 || Burstiness <= 0) throw new UsageException("rates and burstiness must be positive");
        if (MaxConcurrency <= 0) throw new UsageException("--max-concurrency must be positive");
        if (NumWarmups < 0 || ReadyCheckTimeoutSec < 0) throw new UsageException("counts and times must be positive");
        CheckRampUp();
        _ = ServiceLevels.Parse(Goodput);
        if (Metadata.FirstOrDefault(item => !item.Contains('=', StringComparison.Ordinal)) is { } metadata)
            throw new UsageException($"--metadata: '{metadata}' is not KEY=VALUE");
        if (Header.FirstOrDefault(item => !item.Contains('=', StringComparison.Ordinal)) is { } header)
            throw new UsageException($"--header: '{header}' is not KEY=VALUE");
        foreach (string metric in PercentileMetrics.Split(','))
            if (!ServeMetrics.Names.Contains(metric))
                throw new UsageException(
                    $"--percentile-metrics: '{metric}' is none of {string.Join(", ", ServeMetrics.Names)}");
    }

    void CheckRampUp()
    {
        if (RampUpStrategy is null)
        {
            if (RampUpStartRps is not null || RampUpEndRps is not null)
                throw new UsageException("--ramp-up-start-rps and --ramp-up-end-rps need --ramp-up-strategy");
            return;
        }
        if (!double.IsInfinity(RequestRate)) throw new UsageException("--ramp-up-strategy takes no --request-rate");
        if (RampUpStartRps is not { } start || RampUpEndRps is not { } end)
            throw new UsageException("--ramp-up-strategy needs --ramp-up-start-rps and --ramp-up-end-rps");
        if (start < 0 || end <= start || (start == 0 && RampUpStrategy == "exponential"))
            throw new UsageException("a ramp goes up from a rate that is not negative, an exponential one from above 0");
        // A rate of 0 would wait for ever before the first request.
        if (start == 0) throw new UsageException("--ramp-up-start-rps must be at least 1");
    }

    /// <summary>A number or <c>inf</c>.</summary>
    public static ValueType<double> Rate { get; } = new(
        "X",
        text => text is "inf" ? double.PositiveInfinity
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value
            : throw new UsageException($"'{text}' is neither a number nor inf"),
        PythonNumber.Of);

    public static ValueType<string?> RampStrategy { get; } = new(
        "{linear,exponential}",
        text => text is "linear" or "exponential"
            ? text
            : throw new UsageException($"'{text}' is neither linear nor exponential"),
        value => value);

    public static ValueType<IReadOnlyList<double>> Percentiles { get; } = new(
        "P,P,…",
        text => [.. text.Split(',').Select(part =>
            double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value is >= 0 and <= 100
                ? value
                : throw new UsageException($"'{part}' is no percentile"))],
        values => string.Join(',', values.Select(value => value.ToString(CultureInfo.InvariantCulture))));

    public static ValueType<JsonObject?> Json { get; } = new(
        "JSON",
        text =>
        {
            try
            {
                return JsonNode.Parse(text) as JsonObject ?? throw new UsageException($"'{text}' is no JSON object");
            }
            catch (JsonException)
            {
                throw new UsageException($"'{text}' is no JSON object");
            }
        },
        value => value?.ToJsonString());
}

/// <summary>Numbers as Python prints floats: <c>inf</c>, <c>4.0</c>, <c>0.5</c>.</summary>
static class PythonNumber
{
    public static string Of(double value) => double.IsPositiveInfinity(value) ? "inf"
        : value == Math.Floor(value) && Math.Abs(value) < 1e16 ? value.ToString("F1", CultureInfo.InvariantCulture)
        : value.ToString(CultureInfo.InvariantCulture);
}
