using System.Text.Json;

namespace Vllm.Server.Requests;

/// <summary>A conversation. vLLM tries eight message types one after another and reports what each missed; here the
/// first one stands for all, so that <c>param</c> is the same.</summary>
sealed class MessageListType(bool requiresOne) : FieldType
{
    const string FirstType = "ChatCompletionDeveloperMessageParam";

    /// <summary>How the table of fields begins this type.</summary>
    public const string Notation = $"list[{FirstType}";

    public override void Check(JsonElement value, string location, ValidationErrors errors)
    {
        // vLLM's list takes null here and fails on it later, without naming the field; so does ours.
        if (!requiresOne && value.ValueKind == JsonValueKind.Null) return;
        if (value.ValueKind != JsonValueKind.Array)
        {
            errors.Add("list_type", location, "Input should be a valid list", value);
            return;
        }
        if (requiresOne && value.GetArrayLength() == 0)
        {
            ListType.AddTooShort(value, location, 1, errors);
            return;
        }
        int index = 0;
        foreach (JsonElement message in value.EnumerateArray())
            CheckMessage(message, $"{location}.{index++}.{FirstType}", errors);
    }

    static void CheckMessage(JsonElement message, string location, ValidationErrors errors)
    {
        if (message.ValueKind != JsonValueKind.Object)
        {
            errors.Add("dict_type", location, "Input should be a valid dictionary", message);
            return;
        }
        bool hasRole = message.TryGetProperty("role", out JsonElement role);
        bool hasContent = message.TryGetProperty("content", out JsonElement content);
        if (hasContent && content.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False)
            errors.Add("string_type", $"{location}.content", "Input should be a valid string", content);
        else if (!hasContent && !hasRole)
            errors.Add("missing", $"{location}.content", "Field required", message);
        if (!hasRole)
            errors.Add("missing", $"{location}.role", "Field required", message);
        else if (role.ValueKind != JsonValueKind.String)
            errors.Add("literal_error", $"{location}.role", "Input should be a valid string", role);
    }
}
