using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli;

sealed record BenchThroughputArguments : CommandArguments
{
    /// <summary>random or sharegpt; null = sharegpt when there is a file.</summary>
    public string? DatasetName { get; init; }
    public string? DatasetPath { get; init; }
    public int? InputLen { get; init; }
    public int? OutputLen { get; init; }
    public int RandomInputLen { get; init; } = 1024;
    public int RandomOutputLen { get; init; } = 128;
    public int NumPrompts { get; init; } = 1000;
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
            .Value("--dataset-name", ValueTypes.Choice<string?>(("random", "random"), ("sharegpt", "sharegpt")),
                args => args.DatasetName ?? (args.DatasetPath is null ? "random" : "sharegpt"),
                (args, v) => args with { DatasetName = v },
                "Random token ids, or conversations of a ShareGPT file; the latter when a file is given.")
            .Value("--dataset-path", ValueTypes.OptionalText("FILE"),
                args => args.DatasetPath, (args, v) => args with { DatasetPath = v },
                "The ShareGPT file.")
            .Value("--input-len", ValueTypes.OptionalInt,
                args => args.InputLen, (args, v) => args with { InputLen = v },
                "Tokens of each random prompt; the same as --random-input-len.")
            .Value("--output-len", ValueTypes.OptionalInt,
                args => args.OutputLen, (args, v) => args with { OutputLen = v },
                "Tokens to generate per request, whatever the data set says.")
            .Value("--random-input-len", ValueTypes.Int,
                args => args.RandomInputLen, (args, v) => args with { RandomInputLen = v },
                "Tokens of each random prompt.")
            .Value("--random-output-len", ValueTypes.Int,
                args => args.RandomOutputLen, (args, v) => args with { RandomOutputLen = v },
                "Tokens to generate for each random prompt.")
            .Value("--num-prompts", ValueTypes.Int,
                args => args.NumPrompts, (args, v) => args with { NumPrompts = v }, "Requests.")
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
        Check(arguments);
        await using AsyncLLM engine = await EngineStart.LoadAsync(EmbeddedModel.Resolve(arguments.Engine));
        IReadOnlyList<BenchRequest> requests = Requests(arguments, engine);
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

    static void Check(BenchThroughputArguments arguments)
    {
        if (arguments.DatasetName == "sharegpt" && arguments.DatasetPath is null)
            throw new UsageException("--dataset-name sharegpt needs --dataset-path");
        if (arguments is { InputLen: <= 0 } or { OutputLen: <= 0 }
            or not { RandomInputLen: > 0, RandomOutputLen: > 0, NumPrompts: > 0, NumWarmups: >= 0, N: > 0 })
        {
            throw new UsageException("lengths and counts must be positive");
        }
    }

    static IReadOnlyList<BenchRequest> Requests(BenchThroughputArguments arguments, AsyncLLM engine)
    {
        var random = new Random((int)arguments.Engine.Seed);
        if (arguments.DatasetPath is { } file && arguments.DatasetName != "random")
            return ShareGptFile.Sample(file, engine.Tokenizer, arguments.NumPrompts, arguments.OutputLen, random);
        int inputLen = arguments.InputLen ?? arguments.RandomInputLen;
        int outputLen = arguments.OutputLen ?? arguments.RandomOutputLen;
        return [.. Enumerable.Range(0, arguments.NumPrompts).Select(_ =>
            new BenchRequest(RandomPrompts.Next(random, inputLen, engine.Config.VocabSize), outputLen))];
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
