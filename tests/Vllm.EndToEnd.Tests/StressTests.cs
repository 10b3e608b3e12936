using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using Vllm.Server;

namespace Vllm.Tests;

/// <summary>A bad night in short: twice as many clients as the engine has seats, some of which go away, read slowly or
/// send nonsense. <c>VLLM_STRESS_MINUTES</c> makes it longer (<c>eng/stress --minutes 60</c>).</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class StressTests(ITestOutputHelper output)
{
    /// <summary>Alone: the processor's time is measured.</summary>
    public const string Name = "stress";

    const int NumClients = 300;
    const int MaxNumSeqs = NumClients / 2;
    const double DefaultMinutes = 2;
    const int Seed = 7;

    /// <summary>What the managed heap may grow by between the first third and the end: less than one leaked answer per
    /// client.</summary>
    const long MaxHeapGrowthBytes = 16L << 20;

    /// <summary>An idle server's timers, and the test's own.</summary>
    static readonly TimeSpan MaxIdleProcessorTime = TimeSpan.FromMilliseconds(100);

    static readonly TimeSpan IdleWindow = TimeSpan.FromSeconds(3);

    static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    static readonly TimeSpan Duration = TimeSpan.FromMinutes(
        double.TryParse(Environment.GetEnvironmentVariable("VLLM_STRESS_MINUTES"), CultureInfo.InvariantCulture, out double minutes)
            ? minutes : DefaultMinutes);

    [Fact]
    public async Task ManyClientsOfAllKinds_AreAnsweredOrRefused()
    {
        await using AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Path.Combine(Fixtures.RepositoryRoot, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            ServedModelName = ["smollm2"],
            MaxModelLen = 1024,
            MaxNumSeqs = MaxNumSeqs,
            KvCacheMemoryBytes = 128L << 20, // not enough for all: some are preempted
        });
        await using ApiServer server = await ApiServer.StartAsync(
            new ServerOptions { Host = "127.0.0.1", Port = 0, MaxNumQueuedReqs = NumClients - 20 }, engine);
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = NumClients * 2 })
        {
            BaseAddress = new Uri(server.Address),
            Timeout = TimeSpan.FromMinutes(10),
        };
        using var end = new CancellationTokenSource(Duration);
        var delays = new EventLoopDelays();
        Task watching = delays.WatchAsync(end.Token);

        Task<StressClient[]> clients = Task.WhenAll(Enumerable.Range(0, NumClients).Select(async i =>
        {
            var client = new StressClient(http, new Random(Seed + i));
            await client.RunAsync(end.Token);
            return client;
        }));
        await Task.WhenAny(clients, Task.Delay(Duration / 3));
        long heapAfterWarmUp = GC.GetTotalMemory(forceFullCollection: true);
        StressClient[] done = await clients;
        await watching;

        await WaitUntilIdleAsync(engine);
        long heapAtEnd = GC.GetTotalMemory(forceFullCollection: true);
        TimeSpan idle = await ProcessorTimeAsync(IdleWindow);
        Report(done, delays, heapAfterWarmUp, heapAtEnd, idle, engine);

        Assert.Empty(done.SelectMany(client => client.Failures).Take(5));
        Assert.All(Enum.GetValues<StressKind>(), kind => Assert.True(done.Sum(client => client.Counts[kind]) > 0, $"no {kind}"));
        Assert.True(engine.IsHealthy);
        Assert.Equal(0, engine.Metrics.KvCacheUsage);
        Assert.InRange(heapAtEnd - heapAfterWarmUp, long.MinValue, MaxHeapGrowthBytes);
        Assert.InRange(idle, TimeSpan.Zero, MaxIdleProcessorTime);
    }

    void Report(
        StressClient[] clients, EventLoopDelays delays, long heapAfterWarmUp, long heapAtEnd, TimeSpan idle, AsyncLLM engine)
    {
        foreach (StressKind kind in Enum.GetValues<StressKind>())
            output.WriteLine($"{kind}: {clients.Sum(client => client.Counts[kind])}");
        output.WriteLine($"event loop delay: p50 {delays.Percentile(50):F2} ms, p99 {delays.Percentile(99):F2} ms");
        output.WriteLine($"heap: {heapAfterWarmUp >> 10:N0} KiB after warm-up, {heapAtEnd >> 10:N0} KiB at the end");
        output.WriteLine($"preemptions: {engine.Metrics.NumPreemptions}, tokens: {engine.Metrics.NumGenerationTokens}");
        output.WriteLine($"idle: {idle.TotalMilliseconds:F0} ms of processor time in {IdleWindow.TotalSeconds} s");
    }

    static async Task WaitUntilIdleAsync(AsyncLLM engine)
    {
        var watch = Stopwatch.StartNew();
        while (engine.Metrics.NumRequestsRunning + engine.Metrics.NumRequestsWaiting > 0 || engine.Metrics.KvCacheUsage > 0)
        {
            Assert.True(watch.Elapsed < Patience, "the engine does not fall idle");
            await Task.Delay(50);
        }
    }

    static async Task<TimeSpan> ProcessorTimeAsync(TimeSpan window)
    {
        using var process = Process.GetCurrentProcess();
        await Task.Delay(1000); // collections and connections settle
        process.Refresh();
        TimeSpan before = process.TotalProcessorTime;
        await Task.Delay(window);
        process.Refresh();
        return process.TotalProcessorTime - before;
    }
}

enum StressKind
{
    Answered,
    Streamed,
    ReadSlowly,
    WentAway,
    RefusedAsBad,
    RefusedAsFull,
}

/// <summary>One client that asks again and again. Each answer must be what its question deserves.</summary>
sealed class StressClient(HttpClient http, Random random)
{

    static readonly (string Path, string Body, HttpStatusCode Status)[] Nonsense =
    [
        ("/v1/completions", "{", HttpStatusCode.BadRequest),
        ("/v1/completions", """{"model": "smollm2", "prompt": "x", "temperature": -1}""", HttpStatusCode.BadRequest),
        ("/v1/completions", """{"model": "smollm2", "prompt": [1, 2, 99999999]}""", HttpStatusCode.BadRequest),
        ("/v1/completions", """{"model": "smollm2", "prompt": "x", "max_tokens": 100000}""", HttpStatusCode.BadRequest),
        ("/v1/completions", """{"model": "other", "prompt": "x"}""", HttpStatusCode.NotFound),
        ("/v1/chat/completions", """{"model": "smollm2", "messages": 3}""", HttpStatusCode.BadRequest),
        ("/v1/chat/completions", """{"model": "smollm2", "messages": [], "n": 0}""", HttpStatusCode.BadRequest),
        ("/v1/nothing", "{}", HttpStatusCode.NotFound),
    ];

    public Dictionary<StressKind, int> Counts { get; } = Enum.GetValues<StressKind>().ToDictionary(kind => kind, _ => 0);

    public List<string> Failures { get; } = [];

    public async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                Counts[await AskAsync()]++;
            }
            catch (Exception e)
            {
                Failures.Add(e.ToString());
                return;
            }
        }
    }

    Task<StressKind> AskAsync() => random.Next(100) switch
    {
        < 10 => SendNonsenseAsync(),
        < 25 => StreamAsync(StressKind.WentAway),
        < 30 => StreamAsync(StressKind.ReadSlowly),
        < 65 => StreamAsync(StressKind.Streamed),
        _ => AskWholeAsync(),
    };

    async Task<StressKind> SendNonsenseAsync()
    {
        (string path, string body, HttpStatusCode status) = Nonsense[random.Next(Nonsense.Length)];
        using var content = new StringContent(body, null, "application/json");
        using HttpResponseMessage response = await http.PostAsync(path, content);
        // A full server need not look at what it refuses.
        if (IsFull(response, await response.Content.ReadAsStringAsync())) return await RestAsync();
        if (response.StatusCode != status)
            throw new InvalidOperationException($"{body} was answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        return StressKind.RefusedAsBad;
    }

    async Task<StressKind> AskWholeAsync()
    {
        using HttpResponseMessage response = await http.PostAsync("/v1/completions", Question(stream: false));
        string body = await response.Content.ReadAsStringAsync();
        if (IsFull(response, body)) return await RestAsync();
        if (!response.IsSuccessStatusCode || !body.Contains("\"finish_reason\":\"", StringComparison.Ordinal))
            throw new InvalidOperationException($"{(int)response.StatusCode}: {body}");
        return StressKind.Answered;
    }

    async Task<StressKind> StreamAsync(StressKind kind)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = Question(stream: true) };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            string body = await response.Content.ReadAsStringAsync();
            return IsFull(response, body) ? await RestAsync() : throw new InvalidOperationException($"{(int)response.StatusCode}: {body}");
        }
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        int numLinesUntilGone = kind == StressKind.WentAway ? random.Next(8) : int.MaxValue;
        string? last = null;
        for (int i = 0; await reader.ReadLineAsync() is { } line; i++)
        {
            if (i >= numLinesUntilGone) return kind; // disposing the response closes the connection
            if (kind == StressKind.ReadSlowly) await Task.Delay(random.Next(100));
            if (line.Length > 0) last = line;
        }
        return last == "data: [DONE]" ? kind : throw new InvalidOperationException($"the stream ended with: {last}");
    }

    JsonContent Question(bool stream) => JsonContent.Create(new
    {
        model = "smollm2",
        prompt = $"Question {random.Next(1000)}: " + string.Concat(Enumerable.Repeat("tell me more. ", random.Next(30))),
        max_tokens = random.Next(1, 40),
        temperature = random.Next(2),
        n = 1,
        stop = random.Next(4) == 0 ? "the" : null,
        stream,
    });

    static bool IsFull(HttpResponseMessage response, string body) =>
        response.StatusCode == HttpStatusCode.ServiceUnavailable && body.Contains("\"message\"", StringComparison.Ordinal);

    /// <summary>As a client does that was told to come back later.</summary>
    static async Task<StressKind> RestAsync()
    {
        await Task.Delay(500);
        return StressKind.RefusedAsFull;
    }
}

/// <summary>How late the thread pool starts what is ready to run.</summary>
sealed class EventLoopDelays
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    readonly List<double> _milliseconds = [];

    public async Task WatchAsync(CancellationToken end)
    {
        using var timer = new PeriodicTimer(Interval);
        while (!end.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync(CancellationToken.None);
            long start = Stopwatch.GetTimestamp();
            await Task.Factory.StartNew(() => { }, CancellationToken.None, TaskCreationOptions.PreferFairness, TaskScheduler.Default);
            _milliseconds.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        _milliseconds.Sort();
    }

    public double Percentile(int percent) => _milliseconds[Math.Min(_milliseconds.Count - 1, _milliseconds.Count * percent / 100)];
}
