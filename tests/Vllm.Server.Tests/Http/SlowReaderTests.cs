using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Vllm.Server;

namespace Vllm.Tests.Http;

/// <summary>Clients that do not read cost neither memory without bound nor the other clients their answers.</summary>
public sealed class SlowReaderTests
{
    /// <summary>240 tokens, the longest that the model's length allows, in each of so many choices: 2 MB of events for
    /// 16.</summary>
    static string Request(int n) =>
        $$"""{"prompt": "a", "max_tokens": 240, "n": {{n}}, "temperature": 1, "ignore_eos": true, "stream": true, "logprobs": 5}""";

    static async Task<Socket> Send(TinyServer server, string body)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        string request = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            + $"Content-Length: {body.Length}\r\n\r\n{body}";
        await socket.SendAsync(Encoding.ASCII.GetBytes(request));
        return socket;
    }

    [Fact]
    public async Task ManyWhoReadNothing_CostLittleMemoryAndNobodyElse()
    {
        const int NumReaders = 50;
        const long MaxBytesPerReader = 4 << 20; // what waits is at most the answer, here 4,000 tokens with 6 log-probabilities
        await using TinyServer server = await TinyServer.Start(new ServerOptions { MinResponseDataRate = 0 });
        long before = GC.GetTotalMemory(forceFullCollection: true);

        List<Socket> readers = [];
        for (int i = 0; i < NumReaders; i++) readers.Add(await Send(server, Request(16)));
        await TinyServer.Until(() => server.Engine.Metrics.NumRequestsRunning > 0);
        var watch = Stopwatch.StartNew();
        HttpResponseMessage other = await server.Post("/v1/completions", """{"prompt": "b", "max_tokens": 5}""");

        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"{watch.Elapsed}");
        for (int i = 0; i < 600 && server.Engine.Metrics.NumRequestsRunning > 0; i++) await Task.Delay(100);
        Assert.Equal(0, server.Engine.Metrics.NumRequestsRunning); // the engine waits for nobody
        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(growth < NumReaders * MaxBytesPerReader, $"{growth:N0} bytes");
        foreach (Socket reader in readers) reader.Dispose();
    }

    [Fact]
    public async Task ReaderBelowTheRate_IsDisconnected()
    {
        await using TinyServer server = await TinyServer.Start(new ServerOptions { MinResponseDataRate = 10_000_000 });

        using Socket reader = await Send(server, Request(160)); // 20 MB: more than the system buffers
        for (int i = 0; i < 600 && !await HasEnded(server); i++) await Task.Delay(100); // the grace is 5 seconds

        Assert.True(await HasEnded(server));
        byte[] buffer = new byte[1 << 16];
        var received = new StringBuilder();
        try
        {
            for (int n; (n = await reader.ReceiveAsync(buffer)) > 0;) received.Append(Encoding.ASCII.GetString(buffer, 0, n));
        }
        catch (SocketException)
        {
            // The server reset the connection.
        }
        Assert.DoesNotContain("[DONE]", received.ToString());
    }

    static async Task<bool> HasEnded(TinyServer server) =>
        (await server.Client.GetStringAsync("/metrics")).Contains("http_requests_total{handler=\"/v1/completions\"");
}
