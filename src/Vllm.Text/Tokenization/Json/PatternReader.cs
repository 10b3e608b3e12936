using Vllm.Text.Tokenization.Patterns;

namespace Vllm.Text.Tokenization.Json;

/// <summary>Reads <c>{"String": …}</c> and <c>{"Regex": …}</c>.</summary>
static class PatternReader
{
    public static TextPattern Read(JsonKey pattern)
    {
        if (pattern.Find("String") is { } text) return new StringPattern(text.AsString());
        JsonKey regex = pattern.Get("Regex");
        try
        {
            return new RegexPattern(regex.AsString());
        }
        catch (FormatException e)
        {
            throw regex.Fail(e.Message, e);
        }
    }
}
