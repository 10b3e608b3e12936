using System.Text;
using System.Text.Json;
using Vllm.Server;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Tests.Requests;

public sealed class RequestTests
{
    static readonly RequestRules Rules = new(new ServerOptions(), new ServerEnvironment());

    static JsonElement Parse(string json) => JsonBody.ParseObject(Encoding.UTF8.GetBytes(json));

    static CompletionRequest Completion(string fields) =>
        CompletionRequest.Parse(Parse($$"""{"prompt": "Hi"{{fields}}}"""), Rules);

    static ApiError Refusal(Action parse) => Assert.Throws<RequestException>(parse).Error;

    [Theory]
    [InlineData("structured_outputs", """{"regex": "a"}""")]
    [InlineData("guided_json", "{}")]
    [InlineData("guided_regex", "\"a\"")]
    [InlineData("response_format", """{"type": "json_object"}""")]
    [InlineData("kv_transfer_params", """{"a": 1}""")]
    public void UnsupportedField_IsRefusedByName(string field, string value)
    {
        ApiError error = Refusal(() => Completion($", \"{field}\": {value}"));

        Assert.Equal((400, $"not supported yet: {field}", field), (error.Status, error.Message, error.Param));
    }

    [Theory]
    [InlineData("structured_outputs", "null")]
    [InlineData("use_beam_search", "false")]
    [InlineData("response_format", """{"type": "text"}""")]
    [InlineData("thinking_token_budget", "-1")]
    [InlineData("made_up", """{"a": [1, 2]}""")]
    public void FieldThatAsksForNothing_Passes(string field, string value) => Completion($", \"{field}\": {value}");

    [Fact]
    public void Tools_AreRefused()
    {
        const string Body = """
            {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f"}}]}
            """;

        Assert.Equal("not supported yet: tools", Refusal(() =>
            ChatCompletionRequest.Parse(Parse(Body), Rules)).Message);
    }

    [Fact]
    public void LaxValues_AreConverted()
    {
        CompletionRequest request =
            Completion(""", "n": "3", "temperature": "0.5", "echo": "yes", "max_tokens": 4.0, "top_k": true""");

        Assert.Equal(3, request.Generation.N);
        Assert.Equal(0.5, request.Generation.Temperature);
        Assert.True(request.Generation.Echo);
        Assert.Equal(4, request.MaxTokens);
        Assert.Equal(1, request.Generation.TopK);
    }

    [Fact]
    public void SamplingDefaults_StandBetweenRequestAndVllm()
    {
        var defaults = new SamplingDefaults { Temperature = 0.3f, TopP = 0.9f };

        SamplingParams p = Completion(""", "top_p": 0.5""").Generation.ToSamplingParams(defaults, 16, null, null);

        Assert.Equal((0.3f, 0.5f, 1f), (p.Temperature, p.TopP, p.RepetitionPenalty));
    }

    [Theory]
    [InlineData("\"a\"", 1)]
    [InlineData("[1, 2, 3]", 1)]
    [InlineData("[\"a\", \"b\"]", 2)]
    [InlineData("[[1], [2, 3], [4]]", 3)]
    public void Prompt_HasFourForms(string prompt, int numPrompts) =>
        Assert.Equal(numPrompts, CompletionRequest.Parse(Parse($$"""{"prompt": {{prompt}}}"""), Rules).Prompts.Count);

    [Fact]
    public void DuplicateField_LastWins() => Assert.Equal(2, Completion(""", "n": 1, "n": 2""").Generation.N);
}
