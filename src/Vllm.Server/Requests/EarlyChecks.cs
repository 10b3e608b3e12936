using System.Text.Json;
using Vllm.Server.Generation;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>Checks that vLLM makes on the raw body before its schema: they win over type errors of other
/// fields.</summary>
static class EarlyChecks
{
    const int MaxCacheSaltLength = 128;

    public static void StreamOptions(RequestFields fields)
    {
        // An empty object or list counts as absent, as it does in Python.
        bool isSet =
            fields.TryGet("stream_options", out JsonElement options) && options.ToString() is not ("{}" or "[]");
        if (isSet && !fields.Bool("stream"))
            throw RequestException.Field("Stream options can only be defined when `stream=True`.", "stream_options");
    }

    public static void PromptLogprobs(RequestFields fields)
    {
        if (Number(fields, "prompt_logprobs") is not { } count) return;
        if (fields.Bool("stream") && (count > 0 || count == -1))
        {
            throw RequestException.Field(
                "`prompt_logprobs` are not available when `stream=True`.", "prompt_logprobs");
        }
        AtLeastMinusOne(count, "prompt_logprobs");
    }

    /// <summary>Log-probabilities of given tokens need <c>logprobs</c>, which is a flag in chat and a number in
    /// completions: hence <paramref name="how"/> it must be set.</summary>
    public static void TokenIdLogprobs(RequestFields fields, string how)
    {
        bool hasLogprobs = fields.TryGet("logprobs", out JsonElement value) && value.ValueKind != JsonValueKind.False;
        if (hasLogprobs || !fields.TryGet("logprob_token_ids", out _)) return;
        throw RequestException.Field(
            $"when using `logprob_token_ids`, `logprobs` must be {how}.", "logprob_token_ids");
    }

    public static void ThinkingTokenBudget(RequestFields fields)
    {
        if (!fields.TryGet("thinking_token_budget", out JsonElement value)) return;
        if (LaxValue.TryInteger(value, out Int128 budget) is null && budget >= -1) return;
        throw RequestException.Value("`thinking_token_budget` must be a non-negative integer or -1 for unlimited.",
            "thinking_token_budget", PythonText.Scalar(value));
    }

    /// <summary>The field's number; the caller's mistake when it is none.</summary>
    public static double? Number(RequestFields fields, string name)
    {
        if (!fields.TryGet(name, out JsonElement value)) return null;
        if (value.ValueKind is JsonValueKind.Number) return value.GetDouble();
        if (LaxValue.TryInteger(value, out Int128 number) is null) return (double)number;
        throw RequestException.Value($"`{name}` must be an integer.", name, PythonText.Scalar(value));
    }

    public static void AtLeastMinusOne(double count, string name)
    {
        if (count >= 0 || count == -1) return;
        throw RequestException.Value(
            $"`{name}` must be a positive value or -1.", name, PythonText.Float(count).Replace(".0", ""));
    }

    public static void CacheSalt(RequestFields fields)
    {
        if (!fields.TryGet("cache_salt", out JsonElement value)) return;
        if (value.ValueKind != JsonValueKind.String || JsonText.Of(value) is "")
            throw RequestException.Field(
                "Parameter 'cache_salt' must be a non-empty string if provided.", "cache_salt");
        string salt = JsonText.Of(value);
        if (TokenText.Length(salt) <= MaxCacheSaltLength && salt.AsSpan().IndexOfAny("@/\\\0") < 0) return;
        throw RequestException.Field(
            $"Parameter 'cache_salt' must be at most {MaxCacheSaltLength} characters and must not contain "
            + "'@', '/', '\\\\', or NUL.", "cache_salt");
    }
}
