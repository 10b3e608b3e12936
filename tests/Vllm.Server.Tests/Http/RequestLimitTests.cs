using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Vllm.Server;

namespace Vllm.Tests.Http;

/// <summary>Limits on what one request may bring.</summary>
public sealed class RequestLimitTests
{
    static ServerEnvironment Environment(params (string Name, string Value)[] variables) =>
        ServerEnvironment.Read(name => variables.FirstOrDefault(v => v.Name == name).Value);

    [Theory]
    [InlineData("VLLM_MAX_STOP_STRINGS", "2", """{"prompt": "a", "stop": ["x", "y", "z"]}""", "at most 2 items")]
    [InlineData("VLLM_MAX_COMPLETION_PROMPTS", "2", """{"prompt": ["a", "b", "c"]}""", "at most 2 prompts")]
    [InlineData("VLLM_MAX_NUM_BAD_WORDS", "1", """{"prompt": "a", "bad_words": ["x", "y"]}""", "at most 1 entries")]
    [InlineData("VLLM_MAX_BAD_WORDS_TOTAL_TOKENS", "3", """{"prompt": "a", "bad_words": ["abcdefghijkl"]}""", "at most 3 tokens")]
    public async Task LimitOfTheEnvironment_IsKept(string name, string value, string request, string says)
    {
        await using TinyServer strict = await TinyServer.Start(environment: Environment((name, value)));
        await using TinyServer usual = await TinyServer.Start();

        (HttpStatusCode status, JsonElement body) = await strict.PostJson("/v1/completions", request);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(says, body.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal(HttpStatusCode.OK, (await usual.PostJson("/v1/completions", request)).Status);
    }

    [Fact]
    public async Task StopStrings_MayBeMoreWhenTheEnvironmentSaysSo()
    {
        await using TinyServer server = await TinyServer.Start(environment: Environment(("VLLM_MAX_STOP_STRINGS", "6")));

        Assert.Equal(HttpStatusCode.OK,
            (await server.PostJson("/v1/completions", """{"prompt": "a", "stop": ["a", "b", "c", "d", "e", "f"]}""")).Status);
    }

    [Fact]
    public async Task ModelName_IsCheckedUnlessTheEnvironmentSaysNot()
    {
        const string Request = """{"model": "other", "prompt": "a"}""";
        await using TinyServer strict = await TinyServer.Start();
        await using TinyServer lax = await TinyServer.Start(environment: Environment(("VLLM_SKIP_MODEL_NAME_VALIDATION", "True")));

        Assert.Equal(HttpStatusCode.NotFound, (await strict.PostJson("/v1/completions", Request)).Status);
        Assert.Equal(HttpStatusCode.OK, (await lax.PostJson("/v1/completions", Request)).Status);
    }

    [Theory]
    [InlineData("VLLM_MAX_STOP_STRINGS", "many")]
    [InlineData("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "0")]
    [InlineData("VLLM_SERVER_DEV_MODE", "true")]
    public void WrongVariable_IsNamed(string name, string value)
    {
        var exception = Assert.Throws<ArgumentException>(() => Environment((name, value)));

        Assert.Contains(name, exception.Message);
        Assert.Contains(value, exception.Message);
    }

    [Theory]
    [InlineData(10, 1000, "431")]
    [InlineData(3, 100_000, "431")]
    [InlineData(3, 1000, "200")]
    public async Task Head_IsLimited(int numHeaders, int headerLength, string status)
    {
        await using TinyServer server = await TinyServer.Start(
            new ServerOptions { H11MaxHeaderCount = 5, H11MaxIncompleteEventSize = 64 << 10 });
        string headers = string.Concat(Enumerable.Range(0, numHeaders).Select(i => $"X-{i}: {new string('a', headerLength)}\r\n"));

        Assert.StartsWith($"HTTP/1.1 {status}", await Exchange(server, $"GET /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
    }

    [Fact]
    public async Task IdleConnection_IsClosed()
    {
        await using TinyServer server = await TinyServer.Start(environment: Environment(("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "1")));
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));

        using var reader = new StreamReader(client.GetStream());
        string all = await reader.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10));

        Assert.StartsWith("HTTP/1.1 200", all);
    }

    static async Task<string> Exchange(TinyServer server, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        byte[] buffer = new byte[100];
        int length = await client.GetStream().ReadAsync(buffer);
        return Encoding.ASCII.GetString(buffer, 0, length);
    }
}
