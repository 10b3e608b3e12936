using System.Net;
using System.Text;
using Vllm.Engine;
using Vllm.Server;

namespace Vllm.Tests;

/// <summary>A logits processor loaded by name, and told what to do by <c>vllm_xargs</c>.</summary>
public sealed class LogitsProcessorTests
{
    static readonly string Model = Fixtures.FindFile("server", "tiny-default", "model");

    [Theory]
    [InlineData("""{"ban": [[7]], "x": 1.0}""", HttpStatusCode.BadRequest, "vllm_xargs")]
    [InlineData("""{"only": "x"}""", HttpStatusCode.BadRequest, "only must be a whole number")]
    [InlineData("""{"only": 18446744073709551616}""", HttpStatusCode.BadRequest, "extra_args integers must be between")]
    [InlineData("""{"only": -1}""", HttpStatusCode.InternalServerError, "error")]
    [InlineData("""{"only": 40}""", HttpStatusCode.OK, "\"token_ids\":[40,40,40]")]
    public async Task Request_ReachesTheProcessor(string arguments, HttpStatusCode status, string text)
    {
        if (!Directory.Exists(Model)) Assert.Skip("no tiny model");
        string name = $"{typeof(OnlyToken).FullName}, {typeof(OnlyToken).Assembly.Location}";
        await using AsyncLLM engine = AsyncLLM.Create(new EngineOptions
        {
            Model = Model,
            KvCacheMemoryBytes = 16 << 20,
            LogitsProcessors = [LogitsProcessorLoader.Load(name)],
        });
        await using ApiServer server = await ApiServer.StartAsync(new ServerOptions { Host = "127.0.0.1", Port = 0 }, engine);
        using var client = new HttpClient();
        string body = """{"prompt": "a", "max_tokens": 3, "return_token_ids": true, "ignore_eos": true, "vllm_xargs": """ + arguments + "}";

        using HttpResponseMessage response = await client.PostAsync(
            $"{server.Address}/v1/completions", new StringContent(body, Encoding.UTF8, "application/json"));

        Assert.Equal(status, response.StatusCode);
        Assert.Contains(text, await response.Content.ReadAsStringAsync());
        Assert.True(engine.IsHealthy);
        await server.StopAsync();
    }
}

/// <summary>Leaves the token that the request names.</summary>
sealed class OnlyToken : LogitsProcessor
{
    public override void Validate(SamplingParams samplingParams)
    {
        if (samplingParams.ExtraArgs?["only"] is not long) throw new ArgumentException("only must be a whole number");
    }

    public override void Process(in LogitsContext row, Span<float> logits)
    {
        int id = (int)(long)row.SamplingParams.ExtraArgs!["only"];
        float logit = logits[id]; // throws for an id that does not exist
        logits.Fill(float.NegativeInfinity);
        logits[id] = logit;
    }
}
