using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>The flags of <c>bench serve</c>.</summary>
static class BenchServeFlags
{
    public static IReadOnlyList<Option<BenchServeArguments>> All { get; } = new OptionTable<BenchServeArguments>()
        .Group("Server")
        .Value("--backend", ValueTypes.Choice("openai", "openai-chat", "vllm"),
            args => args.Backend, (args, v) => args with { Backend = v },
            "The API: completions (openai, vllm) or chat completions (openai-chat).")
        .Value("--base-url", ValueTypes.OptionalText("URL"), args => args.BaseUrl, (args, v) => args with { BaseUrl = v },
            "The server, such as https://example.com:8443, in place of host and port.")
        .Value("--host", ValueTypes.Text("HOST"), args => args.Host, (args, v) => args with { Host = v },
            "The server's address.")
        .Value("--port", ValueTypes.Port, args => args.Port, (args, v) => args with { Port = v }, "The server's port.")
        .Value("--endpoint", ValueTypes.OptionalText("PATH"),
            args => args.Endpoint, (args, v) => args with { Endpoint = v },
            "Path of the API; default /v1/completions, or /v1/chat/completions for openai-chat.")
        .List("--header", ValueTypes.Text("KEY=VALUE"), args => args.Header, (args, v) => args with { Header = v },
            "Headers of each request. OPENAI_API_KEY is sent as the key when it is set.")
        .Switch("--insecure", args => args.Insecure, (args, v) => args with { Insecure = v },
            "Do not check the server's certificate.")
        .Value("--model", ValueTypes.OptionalText("NAME"), args => args.Model, (args, v) => args with { Model = v },
            "The model; the server's first by default.")
        .Value("--served-model-name", ValueTypes.OptionalText("NAME"),
            args => args.ServedModelName, (args, v) => args with { ServedModelName = v },
            "The name to ask the server for, when --model names the tokenizer.")
        .Value("--tokenizer", ValueTypes.OptionalText("PATH"),
            args => args.Tokenizer, (args, v) => args with { Tokenizer = v },
            "GGUF file, model folder or tokenizer.json that counts the prompts' tokens. Default: the served model's "
            + "files when they are on this machine, else the server's /tokenize. Random prompts of the completions API "
            + "are sent as token ids and need none.")
        .Switch("--skip-tokenizer-init", args => args.SkipTokenizerInit, (args, v) => args with { SkipTokenizerInit = v },
            "Use no tokenizer; the report leaves tokens out.")
        .Value("--ready-check-timeout-sec", ValueTypes.Int,
            args => args.ReadyCheckTimeoutSec, (args, v) => args with { ReadyCheckTimeoutSec = v },
            "Wait up to so long for the server to answer a first request; 0 = do not ask.")
        .Group("Traffic")
        .Value("--seed", ValueTypes.Int, args => args.Seed, (args, v) => args with { Seed = v },
            "Decides prompts and arrival times.")
        .Value("--request-rate", BenchServeArguments.Rate,
            args => args.RequestRate, (args, v) => args with { RequestRate = v },
            "Requests per second; inf = all at once.")
        .Value("--burstiness", BenchServeArguments.Rate, args => args.Burstiness, (args, v) => args with { Burstiness = v },
            "1 = a Poisson process; less = in bursts; more = evenly (gamma distribution).")
        .Value("--max-concurrency", ValueTypes.OptionalInt,
            args => args.MaxConcurrency, (args, v) => args with { MaxConcurrency = v },
            "Most requests at a time; others wait in the client.")
        .Value("--ramp-up-strategy", BenchServeArguments.RampStrategy,
            args => args.RampUpStrategy, (args, v) => args with { RampUpStrategy = v },
            "Raise the rate from the first request to the last.")
        .Value("--ramp-up-start-rps", ValueTypes.OptionalInt,
            args => args.RampUpStartRps, (args, v) => args with { RampUpStartRps = v }, "Rate at the first request.")
        .Value("--ramp-up-end-rps", ValueTypes.OptionalInt,
            args => args.RampUpEndRps, (args, v) => args with { RampUpEndRps = v }, "Rate at the last request.")
        .Value("--num-warmups", ValueTypes.Int, args => args.NumWarmups, (args, v) => args with { NumWarmups = v },
            "Requests like the first to run before.")
        .Value("--request-id-prefix", ValueTypes.Text("TEXT"),
            args => args.RequestIdPrefix, (args, v) => args with { RequestIdPrefix = v },
            "Start of the x-request-id of each request.")
        .Switch("--disable-tqdm", args => args.DisableTqdm, (args, v) => args with { DisableTqdm = v },
            "Show no progress.")
        .Group("Sampling parameters")
        .Switch("--ignore-eos", args => args.IgnoreEos, (args, v) => args with { IgnoreEos = v },
            "Go on to the asked length; always so for random prompts.")
        .Value("--logprobs", ValueTypes.OptionalInt, args => args.Logprobs, (args, v) => args with { Logprobs = v },
            "Log probabilities per token.")
        .Value("--top-p", ValueTypes.OptionalDouble, args => args.TopP, (args, v) => args with { TopP = v },
            "Smallest set of tokens of this probability.")
        .Value("--top-k", ValueTypes.OptionalInt, args => args.TopK, (args, v) => args with { TopK = v },
            "Most likely tokens to choose from.")
        .Value("--min-p", ValueTypes.OptionalDouble, args => args.MinP, (args, v) => args with { MinP = v },
            "Least probability, as a share of the most likely token's.")
        .Value("--temperature", ValueTypes.OptionalDouble,
            args => args.Temperature, (args, v) => args with { Temperature = v },
            "0 = always the most likely token; the server's default when it is not given.")
        .Value("--frequency-penalty", ValueTypes.OptionalDouble,
            args => args.FrequencyPenalty, (args, v) => args with { FrequencyPenalty = v }, "Against frequent tokens.")
        .Value("--presence-penalty", ValueTypes.OptionalDouble,
            args => args.PresencePenalty, (args, v) => args with { PresencePenalty = v }, "Against tokens that occurred.")
        .Value("--repetition-penalty", ValueTypes.OptionalDouble,
            args => args.RepetitionPenalty, (args, v) => args with { RepetitionPenalty = v }, "Against repetition.")
        .Value("--extra-body", BenchServeArguments.Json,
            args => args.ExtraBody, (args, v) => args with { ExtraBody = v },
            "More fields of each request, as a JSON object.")
        .Group("Results")
        .List("--goodput", ValueTypes.Text("METRIC:MS"), args => args.Goodput, (args, v) => args with { Goodput = v },
            "Service levels in milliseconds for ttft, tpot and e2el; counts the requests that meet them all.")
        .Value("--percentile-metrics", ValueTypes.Text("NAMES"),
            args => args.PercentileMetrics, (args, v) => args with { PercentileMetrics = v },
            $"Metrics to report: {string.Join(", ", ServeMetrics.Names)}.")
        .Value("--metric-percentiles", BenchServeArguments.Percentiles,
            args => args.MetricPercentiles, (args, v) => args with { MetricPercentiles = v },
            "Percentiles to report, such as 50,99.")
        .Switch("--save-result", args => args.SaveResult, (args, v) => args with { SaveResult = v },
            "Write the results to a JSON file.")
        .Switch("--save-detailed", args => args.SaveDetailed, (args, v) => args with { SaveDetailed = v },
            "With times and texts of every request.")
        .Switch("--append-result", args => args.AppendResult, (args, v) => args with { AppendResult = v },
            "Append the results to the JSON file as a line.")
        .List("--metadata", ValueTypes.Text("KEY=VALUE"),
            args => args.Metadata, (args, v) => args with { Metadata = v }, "Facts to keep with the results.")
        .Value("--result-dir", ValueTypes.OptionalText("FOLDER"),
            args => args.ResultDir, (args, v) => args with { ResultDir = v }, "Where the file goes.")
        .Value("--result-filename", ValueTypes.OptionalText("NAME"),
            args => args.ResultFilename, (args, v) => args with { ResultFilename = v },
            "Its name; default: label, rate, model and time.")
        .Value("--label", ValueTypes.OptionalText("TEXT"), args => args.Label, (args, v) => args with { Label = v },
            "Name of the run; the backend by default.")
        .Include(DatasetArguments.Table(), args => args.Dataset, (args, v) => args with { Dataset = v })
        .Options;
}
