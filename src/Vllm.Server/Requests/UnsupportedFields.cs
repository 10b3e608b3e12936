using System.Text.Json;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>Fields of features that do not exist yet. A request that uses one is refused rather than answered as if it
/// had not.</summary>
static class UnsupportedFields
{
    /// <summary>Fields that ask for something whatever their value.</summary>
    static readonly string[] WhenPresent =
    [
        "structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
        "guided_decoding_backend", "guided_whitespace_pattern", "prompt_embeds",
        "kv_transfer_params", "ec_transfer_params",
    ];

    static readonly string[] WhenTrue =
        ["return_weight_versions", "return_token_offsets", "return_mm_kwargs"];

    /// <exception cref="RequestException">400 <c>not supported yet: FIELD</c>.</exception>
    public static void Refuse(RequestFields fields)
    {
        foreach (string name in WhenPresent)
            if (fields.TryGet(name, out _)) Fail(name);
        foreach (string name in WhenTrue)
            if (fields.Bool(name)) Fail(name);
        bool isFormatted = fields.TryGet("response_format", out JsonElement format)
            && new RequestFields(format).String("type") != "text";
        if (isFormatted) Fail("response_format");
        if (fields.TryGet("tools", out _)) Fail("tools");
        RefuseMediaArguments(fields);
        RefuseThinkingBudget(fields);
        if (fields.Int("routed_experts_prompt_start") > 0) Fail("routed_experts_prompt_start");
    }

    /// <summary>vLLM takes these from clients only when told to (<c>--trust-request-mm-kwargs</c>), which this server
    /// cannot be.</summary>
    public static void RefuseMediaArguments(RequestFields fields)
    {
        foreach ((string name, string what) in new[]
        {
            ("mm_processor_kwargs", "preprocessing"), ("media_io_kwargs", "media loading"),
        })
        {
            if (!fields.TryGet(name, out _)) continue;
            throw RequestException.Field($"Per-request {name} are disabled by default because they can change "
                + $"multimodal {what} resource usage. Start the server with --trust-request-mm-kwargs only when clients "
                + "are trusted.", name);
        }
    }

    /// <summary>As vLLM without a reasoning parser.</summary>
    static void RefuseThinkingBudget(RequestFields fields)
    {
        if (fields.Int("thinking_token_budget") is null or -1) return;
        throw RequestException.BadRequest("thinking_token_budget is set but reasoning_config is not configured. Please "
            + "set --reasoning-parser and/or --reasoning-config to use thinking_token_budget.");
    }

    static void Fail(string field) => throw RequestException.NotSupportedYet(field);
}
