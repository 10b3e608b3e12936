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
    static readonly Dictionary<string, Action<JsonElement>> Parsers = new()
    {
        ["/v1/completions"] = body => CompletionRequest.Parse(body),
        ["/v1/chat/completions"] = body => ChatCompletionRequest.Parse(body, new ServerOptions()),
        ["/detokenize"] = body => RequestSchema.Instance.Require("DetokenizeRequest", body),
    };

    [Fact]
    public void SchemaErrors_NameTheRecordedField() => Check(withMessages: false);

    /// <summary>The report's wording too, where no message types are listed (vLLM tries eight, we name the first).</summary>
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
            if (expectedText != actualText) failures.Add($"{recorded.Name}\n  expected {expectedText}\n  got      {actualText}");
        }
        if (numChecked == 0) Assert.Skip("no recordings");
        Assert.True(failures.Count == 0, $"{failures.Count} of {numChecked}:\n{string.Join('\n', failures)}");
    }

    static ApiError? Parse(RecordedExchange exchange)
    {
        try
        {
            JsonElement request = exchange.Request;
            byte[] body = request.TryGetProperty("body", out JsonElement json) ? Encoding.UTF8.GetBytes(json.GetRawText())
                : request.TryGetProperty("body_text", out JsonElement text) ? Encoding.UTF8.GetBytes(text.GetString()!)
                : request.GetProperty("body_base64").GetBytesFromBase64();
            Parsers[exchange.Path](JsonBody.ParseObject(body));
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
        where exchange.MessageKind == "pydantic" && MissingFeatures.Of(exchange) is null && Parsers.ContainsKey(exchange.Path) && exchange.Method == "POST"
            && exchange.Response.TryGetProperty("json", out JsonElement json)
            && json.GetProperty("error").GetProperty("type").GetString() == "Bad Request"
            && IsJson(exchange) && !exchange.Response.GetProperty("json").GetProperty("error").GetProperty("message").GetString()!.Contains("Media Type")
        select (recorded, exchange);

    static bool IsJson(RecordedExchange exchange) =>
        exchange.Request.TryGetProperty("body", out _) || exchange.Request.TryGetProperty("body_text", out _) || exchange.Request.TryGetProperty("body_base64", out _);
}
