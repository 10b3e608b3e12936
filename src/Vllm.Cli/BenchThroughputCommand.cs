using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli;

sealed record BenchThroughputArguments : CommandArguments
{
    public DatasetArguments Dataset { get; init; } = new();
    /// <summary>The only engine here; a flag of vLLM's scripts.</summary>
    public string Backend { get; init; } = "vllm";
    /// <summary>There is no other.</summary>
    public bool AsyncEngine { get; init; } = true;
    public int NumWarmups { get; init; }
    public int N { get; init; } = 1;
    public bool DisableDetokenize { get; init; }
    public string? OutputJson { get; init; }
}

/// <summary><c>vllm bench throughput</c>: how many requests and tokens per second the engine makes of many requests at
/// once, with vLLM's flags and report.</summary>
static class BenchThroughputCommand
{
    public static Command<BenchThroughputArguments> Command { get; } = new(
        "bench throughput", "Measures requests and tokens per second of many requests at once.",
        new BenchThroughputArguments(),
        new OptionTable<BenchThroughputArguments>()
            .Include(DatasetArguments.Table(), args => args.Dataset, (args, v) => args with { Dataset = v })
            .Value("--backend", ValueTypes.Choice("vllm"), args => args.Backend, (args, v) => args with { Backend = v },
                "This engine.")
            .Switch("--async-engine", args => args.AsyncEngine, (args, v) => args with { AsyncEngine = v },
                "Always on.")
            .Value("--num-warmups", ValueTypes.Int, args => args.NumWarmups, (args, v) => args with { NumWarmups = v },
                "Requests to run before, one after the other.")
            .Value("--n", ValueTypes.Int, args => args.N, (args, v) => args with { N = v }, "Answers per prompt.")
            .Switch("--disable-detokenize",
                args => args.DisableDetokenize, (args, v) => args with { DisableDetokenize = v },
                "Do not turn tokens into text.")
            .Value("--output-json", ValueTypes.OptionalText("FILE"),
                args => args.OutputJson, (args, v) => args with { OutputJson = v },
                "File for the results.")
            .IncludeEngine().Options,
        RunAsync);

    static async Task<int> RunAsync(BenchThroughputArguments arguments)
    {
        arguments.Dataset.Check();
        if (arguments is not { NumWarmups: >= 0, N: > 0 }) throw new UsageException("counts must be positive");
        await using AsyncLLM engine = await EngineStart.LoadAsync(EmbeddedModel.Resolve(arguments.Engine));
        IReadOnlyList<BenchRequest> requests = await arguments.Dataset.SampleAsync(
            new LocalPromptTokens(engine.Tokenizer), new Random((int)arguments.Engine.Seed), engine.Config.VocabSize);
        foreach (BenchRequest request in requests.Take(arguments.NumWarmups)) await RunAsync(request);

        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(requests.Select(RunAsync));
        Report(arguments, requests, Stopwatch.GetElapsedTime(start).TotalSeconds);
        return 0;

        async Task RunAsync(BenchRequest request)
        {
            var parameters = new SamplingParams
            {
                N = arguments.N,
                IgnoreEos = true,
                MaxTokens = request.NumOutputTokens,
                Detokenize = !arguments.DisableDetokenize,
                OutputKind = OutputKind.FinalOnly,
            };
            string id = $"{Guid.NewGuid():N}";
            await foreach (RequestOutput output in engine.Generate(id, request.PromptTokenIds, parameters))
                if (output.Error is { } error) throw new InvalidOperationException(error);
        }
    }

    static void Report(BenchThroughputArguments arguments, IReadOnlyList<BenchRequest> requests, double seconds)
    {
        long numPromptTokens = requests.Sum(request => (long)request.PromptTokenIds.Count);
        long numOutputTokens = requests.Sum(request => (long)request.NumOutputTokens) * arguments.N;
        long numTokens = numPromptTokens + numOutputTokens;
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Throughput: {requests.Count / seconds:F2} requests/s, {numTokens / seconds:F2} total tokens/s, "
            + $"{numOutputTokens / seconds:F2} output tokens/s"));
        Console.Out.WriteLine($"Total num prompt tokens:  {numPromptTokens}");
        Console.Out.WriteLine($"Total num output tokens:  {numOutputTokens}");
        if (arguments.OutputJson is not { } file) return;
        File.WriteAllText(file, new JsonObject
        {
            ["elapsed_time"] = seconds,
            ["num_requests"] = requests.Count,
            ["total_num_tokens"] = numTokens,
            ["requests_per_second"] = requests.Count / seconds,
            ["tokens_per_second"] = numTokens / seconds,
        }.ToJsonString());
    }
}
