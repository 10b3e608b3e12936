using System.Diagnostics;
using Vllm.Cli.Benchmarks.Datasets;
using Vllm.Cli.Benchmarks.Serving;
using Vllm.Cli.CommandLine;

namespace Vllm.Cli;

/// <summary><c>vllm bench serve</c>: sends requests to a running OpenAI-compatible server and reports throughput and
/// latencies, with vLLM's flags, report and result file.</summary>
static class BenchServeCommand
{
    static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5); // vLLM's

    public static Command<BenchServeArguments> Command { get; } = new(
        "bench serve", "Measures a running server: throughput, time to first token, time per token.",
        new BenchServeArguments(), BenchServeFlags.All, RunAsync);

    /// <summary>1. Find model and tokenizer. 2. Make the requests. 3. Check and warm the server. 4. Run them.
    /// 5. Report.</summary>
    static async Task<int> RunAsync(BenchServeArguments arguments)
    {
        arguments.Check();
        using HttpClient http = RequestSender.CreateClient(arguments);

        // 1.
        var api = new ServerApi(http, arguments.ServerUrl);
        (string name, string modelId) = arguments.Model is { } given
            ? (arguments.ServedModelName ?? given, given)
            : await api.FirstModelAsync();
        PromptTokens? tokens = OpenTokenizer(arguments, api, name, modelId);

        // 2.
        var random = new Random(arguments.Seed);
        IReadOnlyList<BenchRequest> requests = await arguments.Dataset.SampleAsync(tokens, random);
        if (arguments.IsChat) requests = await ToTextsAsync(requests, tokens, random);
        double[] arrivals = ArrivalTimes.Draw(
            requests.Count, arguments.RequestRate, arguments.Burstiness, arguments.RampUp, random);

        // 3.
        var sender = new RequestSender(
            http, new(arguments.Url, name, arguments.IsChat, arguments.Logprobs, arguments.ExtraFields()));
        await CheckReadyAsync(arguments, sender, requests[0]);
        await WarmUpAsync(arguments, sender, requests[0]);

        // 4.
        PrintTraffic(arguments);
        SpecDecodeCounters? before = await api.SpecDecodeAsync();
        var run = new LoadRun(sender, arguments);
        IReadOnlyList<RequestOutcome> outcomes = await run.RunAsync(requests, arrivals);
        SpecDecodeCounters? after = before is null ? null : await api.SpecDecodeAsync();

        // 5.
        PrintFailures(outcomes);
        var metrics = new ServeMetrics(outcomes, run.DurationSeconds, ServiceLevels.Parse(arguments.Goodput));
        var report = new ServeReport(
            arguments, metrics, modelId, SpecDecodeCounters.Between(before, after));
        report.Print(Console.Out);
        report.Save(run.RateChanges);
        return metrics.NumCompleted > 0 ? 0 : 1;
    }

    /// <summary>The file that is named; the served model's when it is here; else the server's own.</summary>
    static PromptTokens? OpenTokenizer(BenchServeArguments arguments, ServerApi api, string name, string modelId)
    {
        if (arguments.SkipTokenizerInit) return null;
        if (arguments.Tokenizer is { } path) return LocalPromptTokens.Open(path);
        if (File.Exists(modelId) || Directory.Exists(modelId)) return LocalPromptTokens.Open(modelId);
        return new ServerPromptTokens(api, name);
    }

    static async Task<IReadOnlyList<BenchRequest>> ToTextsAsync(
        IReadOnlyList<BenchRequest> requests, PromptTokens? tokens, Random random)
    {
        var texts = new List<BenchRequest>();
        foreach (BenchRequest request in requests)
        {
            if (request.Text is null && tokens is null)
                throw new UsageException("random prompts of a chat need a tokenizer to become text");
            texts.Add(request.Text is null ? await tokens!.ToTextAsync(request, random) : request);
        }
        return texts;
    }

    static async Task CheckReadyAsync(BenchServeArguments arguments, RequestSender sender, BenchRequest request)
    {
        Console.WriteLine("Starting initial single prompt test run...");
        if (arguments.ReadyCheckTimeoutSec == 0)
        {
            Console.WriteLine("Skipping endpoint ready check.");
            return;
        }
        TimeSpan timeout = TimeSpan.FromSeconds(arguments.ReadyCheckTimeoutSec);
        for (long start = Stopwatch.GetTimestamp(); ; await Task.Delay(RetryInterval))
        {
            RequestOutcome outcome = await sender.SendAsync(request, id: null, start);
            if (outcome.IsSuccess) break;
            if (Stopwatch.GetElapsedTime(start) + RetryInterval > timeout)
                throw new HttpRequestException($"the first request failed: {outcome.Error}");
        }
        Console.WriteLine("Initial test run completed.");
    }

    static async Task WarmUpAsync(BenchServeArguments arguments, RequestSender sender, BenchRequest request)
    {
        if (arguments.NumWarmups == 0) return;
        Console.WriteLine($"Warming up with {arguments.NumWarmups} requests...");
        using var slots = new SemaphoreSlim(arguments.MaxConcurrency ?? int.MaxValue);
        await Task.WhenAll(Enumerable.Range(0, arguments.NumWarmups).Select(async _ =>
        {
            await slots.WaitAsync();
            await sender.SendAsync(request, id: null, Stopwatch.GetTimestamp());
            slots.Release();
        }));
        Console.WriteLine("Warmup run completed.");
    }

    static void PrintTraffic(BenchServeArguments arguments)
    {
        Console.WriteLine("Starting main benchmark run...");
        if (arguments.RampUp is { } ramp)
        {
            Console.WriteLine($"Traffic ramp-up strategy: {arguments.RampUpStrategy}.");
            Console.WriteLine($"Will increase RPS from {ramp.StartRps} to {ramp.EndRps} RPS over the duration of the "
                + "benchmark.");
        }
        else
        {
            Console.WriteLine($"Traffic request rate: {PythonNumber.Of(arguments.RequestRate)}");
        }
        string distribution = arguments.Burstiness == 1 ? "Poisson process" : "Gamma distribution";
        Console.WriteLine($"Burstiness factor: {PythonNumber.Of(arguments.Burstiness)} ({distribution})");
        Console.WriteLine($"Maximum request concurrency: {arguments.MaxConcurrency?.ToString() ?? "None"}");
    }

    static void PrintFailures(IReadOnlyList<RequestOutcome> outcomes)
    {
        string[] errors = [.. outcomes.Where(outcome => !outcome.IsSuccess).Select(outcome => outcome.Error).Take(10)];
        if (errors.Length > 0) Console.WriteLine("Failed requests during benchmark run detected (capping to 10):");
        for (int i = 0; i < errors.Length; i++) Console.WriteLine($"Error {i}: {errors[i]}");
    }
}
