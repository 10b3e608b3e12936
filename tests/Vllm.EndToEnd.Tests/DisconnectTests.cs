using System.Diagnostics;
using System.Net.Http.Json;
using Vllm.Engine.Requests;

namespace Vllm.Tests;

/// <summary>Clients that go away leave nothing behind.</summary>
public sealed class DisconnectTests(RunningServer server) : IClassFixture<RunningServer>
{
    const int NumClients = 50;
    const int NumRequestsPerClient = 4;
    const int Seed = 42;

    /// <summary>Far more than the last step of a disconnected request needs.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task ClientsThatGoAway_LeaveNoBlocks()
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(5) };
        await Task.WhenAll(Enumerable.Range(0, NumClients).Select(client => RunClientAsync(http, client)));

        await WaitUntilIdleAsync();
        Assert.Equal(0, server.Engine.Metrics.KvCacheUsage);
        Assert.True(server.Engine.IsHealthy); // the idle engine checks the integrity of its books
        long numFinished = Enum.GetValues<FinishReason>().Sum(server.Engine.Metrics.NumFinished);
        Assert.Equal(NumClients * NumRequestsPerClient, numFinished);
        Assert.True(server.Engine.Metrics.NumFinished(FinishReason.Abort) > 0);
        Assert.True(server.Engine.Metrics.NumFinished(FinishReason.Length) > 0);
    }

    async Task RunClientAsync(HttpClient http, int client)
    {
        var random = new Random(Seed + client);
        for (int i = 0; i < NumRequestsPerClient; i++)
        {
            using var gone = new CancellationTokenSource();
            // Half of the requests are left after some of the stream, the others are read to the end.
            int numChunks = random.Next(2) == 0 ? random.Next(1, 6) : int.MaxValue;
            await ReadStreamAsync(http, $"Client {client}, question {i}: count to ten.", numChunks, gone);
        }
    }

    async Task ReadStreamAsync(HttpClient http, string prompt, int numChunks, CancellationTokenSource gone)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, server.BaseUrl + "/completions")
        {
            Content = JsonContent.Create(new { model = "smollm2", prompt, max_tokens = 24, temperature = 0, ignore_eos = true, stream = true }),
        };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, gone.Token);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(gone.Token));
        for (int chunk = 0; await reader.ReadLineAsync(gone.Token) is not null; chunk++)
            if (chunk == numChunks)
                return; // disposing the response closes the connection
    }

    async Task WaitUntilIdleAsync()
    {
        var watch = Stopwatch.StartNew();
        while (server.Engine.Metrics.NumRequestsRunning + server.Engine.Metrics.NumRequestsWaiting > 0 || server.Engine.Metrics.KvCacheUsage > 0)
        {
            Assert.True(watch.Elapsed < Patience, "requests or blocks remain");
            await Task.Delay(20);
        }
    }
}
