using Vllm.Server;

namespace Vllm.Tests.Generation;

/// <summary>Requests and answers in the log.</summary>
public sealed class RequestLogTests
{
    const string Category = "vllm.server";

    static async Task<string[]> Lines(ServerOptions options, string request)
    {
        using var log = new LogLines();
        await using TinyServer server = await TinyServer.Start(options, log: log);
        (await server.Post("/v1/completions", request)).EnsureSuccessStatusCode();
        return [.. log.Of(Category)];
    }

    [Fact]
    public async Task Requests_AreLoggedWhenAsked()
    {
        const string Request = """{"prompt": [30, 31, 32], "max_tokens": 2, "request_id": "x\ny", "temperature": 0}""";

        Assert.Empty(await Lines(new ServerOptions(), Request));
        string[] lines = await Lines(new ServerOptions { EnableLogRequests = true, MaxLogLen = 2 }, Request);

        Assert.StartsWith("Received request cmpl-x?y: params: SamplingParams(n=1, ", lines[0]);
        Assert.EndsWith("prompt_token_ids: [30, 31].", lines[1]);
        Assert.Equal(2, lines.Length);
    }

    [Theory]
    [InlineData(false, false, 1)]
    [InlineData(true, false, 1)]
    [InlineData(true, true, 2)] // one piece at least, and the whole
    public async Task Outputs_AreLoggedWhenAsked(bool isStream, bool logsDeltas, int leastLines)
    {
        string request = $$"""{"prompt": "a", "max_tokens": 3, "temperature": 0, "stream": {{(isStream ? "true" : "false")}}}""";
        var options = new ServerOptions { EnableLogRequests = true, EnableLogOutputs = true, EnableLogDeltas = logsDeltas };

        string[] outputs = [.. (await Lines(options, request)).Where(l => l.StartsWith("Generated response cmpl-"))];

        Assert.True(logsDeltas ? outputs.Length >= leastLines : outputs.Length == leastLines, string.Join('\n', outputs));
        Assert.EndsWith("finish_reason: length", outputs[^1]);
        Assert.Equal(isStream, outputs[^1].Contains("(streaming complete)"));
    }
}
