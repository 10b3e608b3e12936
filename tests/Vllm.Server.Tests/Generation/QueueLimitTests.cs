using System.Net;
using Vllm.Server;

namespace Vllm.Tests.Generation;

/// <summary>The limits on requests under way, which must hold however many arrive at once.</summary>
public sealed class QueueLimitTests
{
    const string Long = """{"prompt": "a", "max_tokens": 250, "ignore_eos": true, "temperature": 0}""";

    [Fact]
    public async Task Burst_IsCutAtTheLimit()
    {
        const int Limit = 10, Burst = 60;
        await using TinyServer server = await TinyServer.Start(
            new ServerOptions { MaxNumQueuedReqs = Limit }, maxNumSeqs: 1);

        HttpResponseMessage[] answers = await Task.WhenAll(
            Enumerable.Range(0, Burst).Select(_ => server.Post("/v1/completions", Long)));

        HttpResponseMessage[] refused = [.. answers.Where(a => a.StatusCode == HttpStatusCode.ServiceUnavailable)];
        int numServed = answers.Count(a => a.StatusCode == HttpStatusCode.OK);
        Assert.Equal(Burst, refused.Length + numServed);
        Assert.InRange(numServed, Limit, Burst - 1);
        Assert.All(refused, answer => Assert.Equal("1", answer.Headers.RetryAfter?.ToString()));
        string body = await refused[0].Content.ReadAsStringAsync();
        Assert.Contains("\"type\":\"Service Unavailable\"", body);
        Assert.Equal(refused.Length, await server.Metric("vllm:admission_rejections_total{model_name=\"" + Name(server)
            + "\",reason=\"max_num_queued_reqs\"}"));
        Assert.Equal(HttpStatusCode.OK, (await server.Post("/v1/completions", Long)).StatusCode);
    }

    static string Name(TinyServer server) => server.Engine.Config.Options.Model;

    [Theory]
    [InlineData("""{"prompt": "a", "n": 5, "temperature": 1, "max_tokens": 1}""")]
    [InlineData("""{"prompt": ["a", "b", "c", "d", "e"], "max_tokens": 1}""")]
    public async Task Answers_CountEach(string request)
    {
        await using TinyServer four = await TinyServer.Start(new ServerOptions { MaxNumQueuedReqs = 4 });
        await using TinyServer five = await TinyServer.Start(new ServerOptions { MaxNumQueuedReqs = 5 });

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await four.Post("/v1/completions", request)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await five.Post("/v1/completions", request)).StatusCode);
    }

    [Fact]
    public async Task RefusedAndFailedRequests_LeaveNoTrace()
    {
        await using TinyServer server = await TinyServer.Start(
            new ServerOptions { MaxNumQueuedReqs = 1, MaxNumQueuedTokens = 1 });

        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.BadRequest,
                (await server.Post("/v1/completions", """{"prompt": "a", "logit_bias": {"99999": 1}}""")).StatusCode);
            Assert.Equal(HttpStatusCode.BadRequest,
                (await server.Post("/v1/completions", """{"prompt": "a", "temperature": 5}""")).StatusCode);
            Assert.Equal(HttpStatusCode.OK,
                (await server.Post("/v1/completions", """{"prompt": "a", "max_tokens": 1}""")).StatusCode);
        }
    }

    [Fact]
    public async Task PromptTokens_CountUntilTheFirstToken()
    {
        await using TinyServer server = await TinyServer.Start(
            new ServerOptions { MaxNumQueuedTokens = 2 }, maxNumSeqs: 1);
        // Its prompt is computed: it counts no more, although it runs on. (It must be first to run.)
        using HttpResponseMessage running = await server.Post("/v1/completions",
            """{"prompt": "a b c", "max_tokens": 250, "ignore_eos": true, "stream": true, "temperature": 0}""",
            HttpCompletionOption.ResponseHeadersRead);
        await running.Content.ReadAsStream().ReadExactlyAsync(new byte[1]);

        HttpResponseMessage[] others = await Task.WhenAll(
            Enumerable.Range(0, 6).Select(_ => server.Post("/v1/completions", Long)));

        Assert.Contains(others, answer => answer.StatusCode == HttpStatusCode.OK);
        Assert.Contains(others, answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable);
        string metric = $"vllm:admission_rejections_total{{model_name=\"{Name(server)}\",reason=\"max_num_queued_tokens\"}}";
        Assert.Equal(others.Count(a => a.StatusCode != HttpStatusCode.OK), await server.Metric(metric));
    }
}
