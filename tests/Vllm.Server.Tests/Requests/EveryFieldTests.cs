using System.Collections;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vllm.Server;
using Vllm.Server.ChatCompletions;
using Vllm.Server.Completions;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Tests.Requests;

/// <summary>Every field of the table of requests: it changes the request that is run, or it is refused with its name,
/// or it is on the list of fields that change nothing in vLLM either.</summary>
public sealed class EveryFieldTests
{
    static readonly RequestRules Rules = new(new ServerOptions { TrustRequestChatTemplate = true }, new ServerEnvironment());

    /// <summary>Field → why it changes nothing.</summary>
    static readonly Dictionary<string, string> WithoutEffect = new()
    {
        ["user"] = "ignored by vLLM",
        ["best_of"] = "gone from vLLM, which ignores it",
        ["early_stopping"] = "gone from vLLM, which ignores it",
        ["include_reasoning"] = "there is no reasoning parser whose output could be left out",
        ["parallel_tool_calls"] = "there are no tool calls",
        ["watermarking"] = "asks only servers with --watermark-config, which this one cannot have",
        ["session_id"] = "routes between data-parallel engines, of which there is one",
        ["mm_payload"] = "the render routes' alone, which are off",
        ["tool_choice"] = "none is all it can be in a batch",
    };

    /// <summary>Values that ask for something, where the type alone does not tell.</summary>
    static readonly Dictionary<string, string> Values = new()
    {
        ["stream_options"] = """{"include_usage": true}""",
        ["logit_bias"] = """{"5": 1}""",
        ["response_format"] = """{"type": "json_object"}""",
        ["reasoning_effort"] = "\"low\"",
        ["truncation_side"] = "\"right\"",
        ["tools"] = """[{"type": "function", "function": {"name": "f"}}]""",
        ["prompt"] = "\"other\"",
        ["messages"] = """[{"role": "user", "content": "other"}]""",
        ["repetition_detection"] = """{"max_pattern_size": 3, "min_count": 2}""",
        ["structured_outputs"] = """{"regex": "a"}""",
        ["documents"] = """[{"text": "a"}]""",
        ["chat_template_kwargs"] = """{"a": 1}""",
        ["media_io_kwargs"] = """{"image": {"a": 1}}""",
        ["vllm_xargs"] = """{"a": 99999999999999999999999}""", // its limit is all that is read
        ["mm_payload"] = "\"none\"",
        ["guided_decoding_backend"] = "\"x\"",
        ["tool_choice"] = "\"none\"",
    };

    /// <summary>Fields that need another one to mean anything.</summary>
    static readonly Dictionary<string, string> Companions = new()
    {
        ["stream_options"] = """{"stream": true}""",
        ["top_logprobs"] = """{"logprobs": true}""",
        ["logprob_token_ids"] = """{"logprobs": 1}""",
    };

    static readonly Dictionary<string, (string Body, Func<JsonElement, object> Parse)> Requests = new()
    {
        ["ChatCompletionRequest"] = ("""{"messages": [{"role": "user", "content": "Hi"}]}""",
            body => ChatCompletionRequest.Parse(body, Rules)),
        ["BatchChatCompletionRequest"] = ("""{"messages": [[{"role": "user", "content": "Hi"}]]}""",
            body => ChatCompletionRequest.ParseBatch(body, Rules)),
        ["CompletionRequest"] = ("""{"prompt": "Hi"}""", body => CompletionRequest.Parse(body, Rules)),
    };

    public static TheoryData<string> Models => [.. Requests.Keys];

    [Theory]
    [MemberData(nameof(Models))]
    public void EveryField_HasAnEffectOrIsRefusedByName(string model)
    {
        List<string> ignored = [];
        foreach (string field in Rules.Schema.FieldNames(model))
            if (IsIgnored(model, field) != WithoutEffect.ContainsKey(field)) ignored.Add(field);

        Assert.True(ignored.Count == 0, $"ignored, or not although the list says so: {string.Join(", ", ignored)}");
    }

    static bool IsIgnored(string model, string field)
    {
        (string baseBody, Func<JsonElement, object> parse) = Requests[model];
        JsonObject body = JsonNode.Parse(baseBody)!.AsObject();
        JsonObject companions = JsonNode.Parse(Companions.GetValueOrDefault(field, "{}"))!.AsObject();
        foreach ((string name, JsonNode? value) in companions) body[name] = value!.DeepClone();
        // Flags of chat requests are numbers in completions.
        if (model != "CompletionRequest" && body["logprobs"] is not null) body["logprobs"] = true;
        string without = Dump(parse(Element(body)));
        return ValuesFor(model, field).All(value =>
        {
            body[field] = JsonNode.Parse(value);
            return HasNoEffect(() => parse(Element(body)), without, field);
        });
    }

    static bool HasNoEffect(Func<object> parse, string without, string field)
    {
        try
        {
            return Dump(parse()) == without;
        }
        catch (RequestException e)
        {
            // The name of the field itself, or of what it is called in messages.
            Assert.Contains(field == "vllm_xargs" ? "extra_args" : field, e.Error.Message + e.Error.Param);
            return false;
        }
    }

    static JsonElement Element(JsonNode node) => JsonBody.ParseObject(Encoding.UTF8.GetBytes(node.ToJsonString()));

    /// <summary>Values of every kind that the field takes.</summary>
    static IEnumerable<string> ValuesFor(string model, string field)
    {
        if (model == "BatchChatCompletionRequest" && field == "messages") return [$"[{Values[field]}]"];
        if (Values.TryGetValue(field, out string? value)) return [value];
        string[] candidates = ["3", "true", "false", "[3]", "0.5", "\"x\"", "[\"x\"]", """{"a": 1}"""];
        return candidates.Where(candidate => Fits(model, field, candidate));
    }

    static bool Fits(string model, string field, string candidate)
    {
        JsonObject body = JsonNode.Parse(Requests[model].Body)!.AsObject();
        body[field] = JsonNode.Parse(candidate);
        var errors = new ValidationErrors();
        Rules.Schema.Check(model, Element(body), "body", errors);
        return errors.Count == 0;
    }

    /// <summary>All public properties, at any depth.</summary>
    static string Dump(object? value)
    {
        switch (value)
        {
            case null: return "null";
            case string or JsonElement: return $"'{value}'";
            case IEnumerable items: return $"[{string.Join(",", items.Cast<object?>().Select(Dump))}]";
        }
        Type type = value.GetType();
        if (type.IsPrimitive || type.IsEnum || value is Int128) return value.ToString()!;
        return $"{{{string.Join(",", type.GetProperties().Where(p => p.GetIndexParameters().Length == 0)
            .Select(p => $"{p.Name}={Dump(p.GetValue(value))}"))}}}";
    }
}
