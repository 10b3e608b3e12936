using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Vllm.Cli.Benchmarks.Datasets;

namespace Vllm.Cli.Benchmarks.Serving;

/// <summary>The measured part: every request at its time, no more than allowed at once.</summary>
sealed class LoadRun(RequestSender sender, BenchServeArguments arguments)
{
    readonly SemaphoreSlim? _slots = arguments.MaxConcurrency is int max ? new(max) : null;
    int _numRequests;
    int _numDone;

    public double DurationSeconds { get; private set; }

    /// <summary>When a ramp reached each whole rate; null without ramp.</summary>
    public JsonArray? RateChanges { get; private set; }

    public async Task<IReadOnlyList<RequestOutcome>> RunAsync(IReadOnlyList<BenchRequest> requests, double[] arrivals)
    {
        _numRequests = requests.Count;
        RampUp? rampUp = arguments.RampUp;
        int rate = (rampUp?.StartRps ?? 0) - 1;
        if (rampUp is not null) RateChanges = [];
        var running = new Task<RequestOutcome>[requests.Count];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < requests.Count; i++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(arrivals[i]) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero) await Task.Delay(wait);
            for (int reached = (int)(rampUp?.RateAt(i, requests.Count) ?? rate); rate < reached;) AddRate(++rate);
            running[i] = SendAsync(requests[i], i, start);
        }
        RequestOutcome[] outcomes = await Task.WhenAll(running);
        DurationSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return outcomes;

        void AddRate(int rps) => RateChanges!.Add((JsonNode)new JsonObject
        {
            ["rps"] = rps,
            ["timestamp"] = DateTime.Now.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
        });
    }

    async Task<RequestOutcome> SendAsync(BenchRequest request, int index, long start)
    {
        long arrived = Stopwatch.GetTimestamp();
        if (_slots is not null) await _slots.WaitAsync();
        else await Task.Yield(); // the next one is sent while this one's body is made
        try
        {
            double queueTime = Stopwatch.GetElapsedTime(arrived).TotalSeconds;
            RequestOutcome outcome = await sender.SendAsync(request, $"{arguments.RequestIdPrefix}{index}", start);
            return outcome with { QueueTime = queueTime };
        }
        finally
        {
            _slots?.Release();
            ShowProgress(Interlocked.Increment(ref _numDone));
        }
    }

    void ShowProgress(int numDone)
    {
        if (arguments.DisableTqdm || Console.IsErrorRedirected) return;
        Console.Error.Write($"\r{numDone}/{_numRequests}{(numDone == _numRequests ? "\n" : "")}");
    }
}
