using System.Text;
using System.Text.Json;
using Vllm.Server;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;
using Vllm.Tests.Replay;

namespace Vllm.Tests.Requests;

/// <summary>Requests that the reference refused before it looked at its model: parsed without a model here.</summary>
public sealed class RecordedErrorTests
{
    static readonly RequestRules Rules = new(new ServerOptions(), new ServerEnvironment());

    static readonly Dictionary<string, Action<JsonElement>> Parsers = new()
    {
        ["/v1/completions"] = body => CompletionRequest.Parse(body, Rules),
        ["/v1/chat/completions"] = body => ChatCompletionRequest.Parse(body, Rules),
        ["/v1/chat/completions/batch"] = body => ChatCompletionRequest.ParseBatch(body, Rules),
        ["/generative_scoring"] = body => Rules.Schema.Require("GenerativeScoringRequest", body),
        ["/detokenize"] = body => RequestSchema.Instance.Require("DetokenizeRequest", body),
    };

    [Fact]
    public void SchemaErrors_NameTheRecordedField() => Check(withMessages: false);

    /// <summary>The report's wording too, where no message types are listed (vLLM tries eight, we name the
    /// first).</summary>
    [Fact]
    public void SchemaErrors_HaveTheRecordedWords() => Check(withMessages: true);

    static void Check(bool withMessages)
    {
        List<string> failures = [];
        int numChecked = 0;
        foreach ((RecordedCase recorded, RecordedExchange exchange) in Exchanges())
        {
            JsonElement expected = exchange.Response.GetProperty("json").GetProperty("error");
            if (withMessages && expected.GetProperty("message").GetString()!.Contains("MessageParam")) continue;
            numChecked++;
            ApiError? actual = Parse(exchange);
            string expectedText = $"{expected.GetProperty("type")}|{expected.GetProperty("param")}";
            string actualText = $"{actual?.Type}|{actual?.Param}";
            if (withMessages) expectedText += $"|{expected.GetProperty("message")}";
            if (withMessages) actualText += $"|{actual?.Message}";
            if (expectedText == actualText) continue;
            failures.Add($"{recorded.Name}\n  expected {expectedText}\n  got      {actualText}");
        }
        if (numChecked == 0) Assert.Skip("no recordings");
        Assert.True(failures.Count == 0, $"{failures.Count} of {numChecked}:\n{string.Join('\n', failures)}");
    }

    static ApiError? Parse(RecordedExchange exchange)
    {
        try
        {
            Parsers[exchange.Path](JsonBody.ParseObject(Answer.BodyOf(exchange.Request)));
            return null;
        }
        catch (RequestException e)
        {
            return e.Error;
        }
    }

    static IEnumerable<(RecordedCase, RecordedExchange)> Exchanges() =>
        from run in Fixtures.Folders("server").Select(f => Path.GetFileName(f)!)
        from recorded in new RecordedRun(run).Cases
        where recorded.IsExchange
        from exchange in recorded.Exchanges
        where exchange.MessageKind == "pydantic" && IsSchemaError(exchange)
        select (recorded, exchange);

    static bool IsSchemaError(RecordedExchange exchange)
    {
        if (MissingFeatures.Of(exchange) is not null || !Parsers.ContainsKey(exchange.Path)) return false;
        JsonElement error = exchange.Response.GetProperty("json").GetProperty("error");
        return error.GetProperty("type").GetString() == "Bad Request"
            && !error.GetProperty("message").GetString()!.Contains("Media Type");
    }
}
