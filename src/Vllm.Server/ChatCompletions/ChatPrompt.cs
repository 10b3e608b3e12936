using Vllm.Server.Generation;

namespace Vllm.Server.ChatCompletions;

/// <summary>A conversation as it is run: its text, its tokens, and how many an answer may have.</summary>
sealed record ChatPrompt(string Text, IReadOnlyList<int> TokenIds, Int128 MaxTokens)
{
    /// <exception cref="Protocol.RequestException">The template refuses the conversation, or the prompt is too
    /// long.</exception>
    public static ChatPrompt Make(Generator generator, ChatPrompts chatPrompts, ChatCompletionRequest request)
    {
        GenerationFields fields = request.Generation;
        string text = chatPrompts.Render(request.Conversation);
        IReadOnlyList<int> tokenIds = generator.Prompts.Encode(
            text, request.AddSpecialTokens, fields.TruncatePromptTokens, fields.TruncateRight);
        return new ChatPrompt(text, tokenIds, generator.MaxTokens(request.MaxTokens, tokenIds.Count));
    }

    /// <exception cref="Protocol.RequestException">A parameter is out of range.</exception>
    public SamplingParams ToSamplingParams(ChatCompletionRequest request, SamplingDefaults defaults)
    {
        GenerationFields fields = request.Generation;
        int? logprobs = request.Logprobs ? request.TopLogprobs : null;
        // An echoed prompt comes with log-probabilities like the answer's.
        int? promptLogprobs = fields.PromptLogprobs ?? (fields.Echo ? request.TopLogprobs : null);
        return fields.ToSamplingParams(defaults, MaxTokens, logprobs, promptLogprobs);
    }
}
