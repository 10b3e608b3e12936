using System.Globalization;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks;
using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli;

sealed record BenchLatencyArguments : CommandArguments
{
    public int InputLen { get; init; } = 32;
    public int OutputLen { get; init; } = 128;
    public int BatchSize { get; init; } = 8;
    public int N { get; init; } = 1;
    public int NumItersWarmup { get; init; } = 10;
    public int NumIters { get; init; } = 30;
    public bool DisableDetokenize { get; init; }
    public string? OutputJson { get; init; }
}

/// <summary><c>vllm bench latency</c>: how long one batch takes, with vLLM's flags and report.</summary>
static class BenchLatencyCommand
{
    static readonly int[] Percentiles = [10, 25, 50, 75, 90, 99];

    public static Command<BenchLatencyArguments> Command { get; } = new(
        "bench latency", "Measures how long one batch of requests takes.",
        // A cached prompt would not be computed; vLLM turns the cache off here too.
        new BenchLatencyArguments { Engine = new() { Model = "", EnablePrefixCaching = false } },
        new OptionTable<BenchLatencyArguments>()
            .Value("--input-len", ValueTypes.Int, args => args.InputLen, (args, v) => args with { InputLen = v },
                "Tokens of each prompt.")
            .Value("--output-len", ValueTypes.Int, args => args.OutputLen, (args, v) => args with { OutputLen = v },
                "Tokens to generate for each.")
            .Value("--batch-size", ValueTypes.Int, args => args.BatchSize, (args, v) => args with { BatchSize = v },
                "Prompts that run together.")
            .Value("--n", ValueTypes.Int, args => args.N, (args, v) => args with { N = v }, "Answers per prompt.")
            .Value("--num-iters-warmup", ValueTypes.Int,
                args => args.NumItersWarmup, (args, v) => args with { NumItersWarmup = v },
                "Iterations before measuring.")
            .Value("--num-iters", ValueTypes.Int, args => args.NumIters, (args, v) => args with { NumIters = v },
                "Measured iterations.")
            .Switch("--disable-detokenize",
                args => args.DisableDetokenize, (args, v) => args with { DisableDetokenize = v },
                "Do not turn tokens into text.")
            .Value("--output-json", ValueTypes.OptionalText("FILE"),
                args => args.OutputJson, (args, v) => args with { OutputJson = v },
                "File for the results.")
            .IncludeEngine().Options,
        RunAsync);

    static async Task<int> RunAsync(BenchLatencyArguments arguments)
    {
        if (arguments is not { InputLen: > 0, OutputLen: > 0, BatchSize: > 0, N: > 0, NumIters: > 0 })
            throw new UsageException("lengths, sizes and iterations must be positive");
        await using AsyncLLM engine = await EngineStart.LoadAsync(EmbeddedModel.Resolve(arguments.Engine));
        var random = new Random((int)arguments.Engine.Seed);
        IReadOnlyList<int>[] prompts = [.. Enumerable.Range(0, arguments.BatchSize).Select(_ =>
            RandomPrompts.Next(random, arguments.InputLen, engine.Config.VocabSize))];
        var batch = new TimedBatch(engine, prompts, new SamplingParams
        {
            N = arguments.N,
            IgnoreEos = true,
            MaxTokens = arguments.OutputLen,
            Detokenize = !arguments.DisableDetokenize,
            OutputKind = OutputKind.Delta,
        });
        for (int i = 0; i < arguments.NumItersWarmup; i++) await Step("Warm-up", i, arguments.NumItersWarmup);
        var times = new List<BatchTimes>();
        for (int i = 0; i < arguments.NumIters; i++) times.Add(await Step("Iteration", i, arguments.NumIters));
        Report(arguments, times);
        return 0;

        Task<BatchTimes> Step(string stage, int index, int count)
        {
            Console.Error.WriteLine($"{stage} {index + 1} of {count}");
            return batch.RunAsync();
        }
    }

    static void Report(BenchLatencyArguments arguments, IReadOnlyList<BatchTimes> times)
    {
        double[] latencies = [.. times.Select(time => time.Total.TotalSeconds)];
        double[] sorted = [.. latencies.Order()];
        double average = latencies.Average();
        double firstToken = times.Average(time => time.FirstTokens.TotalSeconds);
        int numSequences = arguments.BatchSize * arguments.N;
        // The prompt is computed once however many answers share it.
        double prefillRate = arguments.BatchSize * arguments.InputLen / firstToken;
        double decodeRate = numSequences * (arguments.OutputLen - 1) / Math.Max(average - firstToken, double.Epsilon);
        Print($"Avg latency: {average} seconds");
        foreach (int percentile in Percentiles)
            Print($"{percentile}% percentile latency: {Statistics.Percentile(sorted, percentile)} seconds");
        Print($"Time to first token: {1000 * firstToken:F1} ms");
        Print($"Prefill: {prefillRate:F1} tokens/s, decode: {decodeRate:F1} tokens/s");
        if (arguments.OutputJson is not { } file) return;
        File.WriteAllText(file, new JsonObject
        {
            ["avg_latency"] = average,
            ["latencies"] = new JsonArray([.. latencies.Select(latency => JsonValue.Create(latency))]),
            ["percentiles"] = new JsonObject(Percentiles.Select(percentile =>
                KeyValuePair.Create($"{percentile}", (JsonNode?)Statistics.Percentile(sorted, percentile)))),
            ["time_to_first_token"] = firstToken,
            ["prefill_tokens_per_second"] = prefillRate,
            ["decode_tokens_per_second"] = decodeRate,
        }.ToJsonString());
    }

    static void Print(FormattableString line) => Console.Out.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
