using Vllm.Server.Protocol;
using Vllm.Text.Tokenization;

namespace Vllm.Server.Generation;

/// <summary>Turns prompts into token ids that fit the model, or says why they do not.</summary>
sealed class PromptEncoder(Tokenizer tokenizer, int maxModelLen)
{
    readonly Lazy<int> _maxCharsPerToken = new(() => MaxCharsPerToken(tokenizer));

    /// <summary>The ids of a text, truncated as the request asks.</summary>
    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens, int? truncatePromptTokens, bool truncateRight)
    {
        int? limit = TruncationLimit(truncatePromptTokens);
        if (limit is null) CheckTextLength(text);
        int[] ids = tokenizer.Encode(text, addSpecialTokens);
        if (limit < ids.Length) ids = Truncate(text, ids, limit.Value, truncateRight);
        CheckLength(ids.Length, isText: true);
        return ids;
    }

    /// <summary>The same for a prompt that the client tokenized.</summary>
    public IReadOnlyList<int> Check(IReadOnlyList<int> ids, int? truncatePromptTokens, bool truncateRight)
    {
        if (TruncationLimit(truncatePromptTokens) is { } limit && limit < ids.Count)
            ids = [.. truncateRight ? ids.Take(limit) : ids.Skip(ids.Count - limit)];
        CheckLength(ids.Count, isText: false);
        return ids;
    }

    int? TruncationLimit(int? truncatePromptTokens)
    {
        // -1 leaves room for one token of the answer.
        if (truncatePromptTokens is -1) return maxModelLen - 1;
        if (truncatePromptTokens > maxModelLen)
        {
            throw new RequestException(ApiError.Value(
                $"truncate_prompt_tokens={truncatePromptTokens} cannot be greater than max_model_len = {maxModelLen}. "
                + "Please request a smaller truncation size.", "truncate_prompt_tokens", $"{truncatePromptTokens}"));
        }
        return truncatePromptTokens;
    }

    /// <summary>Refuses a text that cannot fit, before the work of tokenizing it.</summary>
    void CheckTextLength(string text)
    {
        long maxChars = (long)maxModelLen * _maxCharsPerToken.Value;
        if (text.Length <= maxChars || TokenText.Length(text) is var length && length <= maxChars) return;
        throw TooLong($"{length} characters (more than {maxChars} characters, which is the upper bound for {maxModelLen} "
            + "input tokens). Please reduce the length of the input prompt.", "input_text", length);
    }

    static int MaxCharsPerToken(Tokenizer tokenizer)
    {
        int max = 1;
        for (int id = 0; id < tokenizer.VocabSize; id++) max = Math.Max(max, tokenizer.IdToToken(id)?.Length ?? 0);
        return max;
    }

    /// <summary>Cuts the text's own tokens only: the special ones around them stay and count.</summary>
    int[] Truncate(string text, int[] ids, int limit, bool truncateRight)
    {
        int[] bare = tokenizer.Encode(text, addSpecialTokens: false);
        int numSpecial = ids.Length - bare.Length;
        int numKept = Math.Max(limit - numSpecial, 0);
        int[] kept = truncateRight ? bare[..numKept] : bare[^numKept..];
        int prefix = Math.Max(ids.AsSpan().IndexOf(bare), 0);
        int[] result = [.. ids[..prefix], .. kept, .. ids[(prefix + bare.Length)..]];
        return result.Length <= limit ? result : result[..limit];
    }

    void CheckLength(int numTokens, bool isText)
    {
        if (numTokens == 0) throw new RequestException(ApiError.BadRequest("The decoder prompt cannot be empty"));
        if (numTokens <= maxModelLen) return;
        // Like vLLM, which stops tokenizing a text one token beyond the limit.
        int shown = isText ? maxModelLen + 1 : numTokens;
        string count = shown == maxModelLen + 1 ? $"at least {shown}" : $"{shown}";
        throw TooLong($"{count} input tokens, which exceeds this limit even without any output tokens. "
            + "Please reduce the length of the input prompt.", "input_tokens", shown);
    }

    RequestException TooLong(string contains, string field, int value) => new(ApiError.Value(
        $"This model's maximum context length is {maxModelLen} tokens. However, your prompt contains {contains}",
        field, $"{value}"));
}
