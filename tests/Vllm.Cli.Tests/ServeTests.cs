using System.Net.Sockets;
using System.Text;

namespace Vllm.Tests;

/// <summary><c>vllm serve</c> as a process: from start to stop.</summary>
public sealed class ServeTests : IDisposable
{
    static readonly TimeSpan IdleWindow = TimeSpan.FromSeconds(3);

    /// <summary>The runtime still compiles hot methods in the background for a while after the start.</summary>
    const int MaxIdleWindows = 10;

    const double MaxIdleShare = 0.01;

    readonly string _portFile = Path.Combine(Path.GetTempPath(), $"vllm-{Guid.NewGuid():N}.port");

    [Fact]
    public async Task Serve_AnswersAndStopsCleanly()
    {
        using StartedProgram server = Start();
        string url = await UrlAsync(server);

        using var client = new StartedProgram(
            "complete", "The capital of France is", "--url", url, "--temperature", "0", "--max-tokens", "4", "--stats");
        Assert.Equal(0, await client.RunAsync());
        Assert.Contains("Paris", client.Output, StringComparison.Ordinal);
        Assert.Contains("[4 tokens", client.Errors, StringComparison.Ordinal);
        await server.OutputAsync("Avg generation throughput");

        server.SendTerminate();
        Assert.Equal(0, await server.ExitAsync());
        Assert.Contains($"Listening on {url}", server.Output, StringComparison.Ordinal);
        Assert.Contains("Maximum concurrency for 512 tokens per request", server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_DrainsRunningRequests()
    {
        using StartedProgram server = Start("--shutdown-timeout", "100");
        string url = await UrlAsync(server);
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, url + "/v1/completions")
        {
            Content = new StringContent(
                """{"prompt": "Once", "max_tokens": 40, "ignore_eos": true, "stream": true}""",
                Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        server.SendTerminate();

        string events = await response.Content.ReadAsStringAsync();
        Assert.EndsWith("data: [DONE]", events.TrimEnd(), StringComparison.Ordinal);
        Assert.Equal(0, await server.ExitAsync());
    }

    [Fact]
    public async Task Serve_NamesAPortInUse()
    {
        using var taken = new TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        string port = $"{((System.Net.IPEndPoint)taken.LocalEndpoint).Port}";
        using var program = new StartedProgram("serve", "--host", "127.0.0.1", "--port", port, "--max-num-seqs", "1");

        Assert.Equal(1, await program.RunAsync());
        Assert.Contains($"Port {port} is in use", program.Errors, StringComparison.Ordinal);
        Assert.Single(program.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task Serve_UsesNoCpuWhenIdle()
    {
        using StartedProgram server = Start();
        await UrlAsync(server);
        double share = 1;
        for (int i = 0; i < MaxIdleWindows && share >= MaxIdleShare; i++)
        {
            TimeSpan before = server.Process.TotalProcessorTime;
            await Task.Delay(IdleWindow);
            server.Process.Refresh();
            share = (server.Process.TotalProcessorTime - before) / IdleWindow;
        }

        Assert.True(share < MaxIdleShare, $"uses {share:P1} of a processor");
    }

    public void Dispose() => File.Delete(_portFile);

    StartedProgram Start(params string[] more) => new(
        [
            "serve", "--host", "127.0.0.1", "--port", "0", "--port-file", _portFile,
            "--max-model-len", "512", "--max-num-seqs", "4", .. more,
        ]);

    async Task<string> UrlAsync(StartedProgram server) => $"http://127.0.0.1:{await server.FileAsync(_portFile)}";
}
