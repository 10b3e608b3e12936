using Vllm.Server.Generation;

namespace Vllm.Server.ChatCompletions;

/// <summary>A conversation as it is run: its text, its tokens, and how the answer's tokens are chosen.</summary>
sealed record ChatPrompt(string Text, IReadOnlyList<int> TokenIds, SamplingParams SamplingParams)
{
    /// <exception cref="Protocol.RequestException">The template refuses the conversation, the prompt is too long, or a
    /// parameter is out of range.</exception>
    public static ChatPrompt Make(Generator generator, ChatPrompts chatPrompts, ChatCompletionRequest request)
    {
        GenerationFields fields = request.Generation;
        string text = chatPrompts.Render(request.Conversation);
        IReadOnlyList<int> tokenIds = generator.Prompts.Encode(
            text, request.AddSpecialTokens, fields.TruncatePromptTokens, fields.TruncateRight);
        SamplingParams samplingParams = fields.ToSamplingParams(
            generator.Engine.Config.SamplingDefaults,
            generator.MaxTokens(request.MaxTokens, tokenIds.Count),
            request.Logprobs ? request.TopLogprobs : null,
            // An echoed prompt comes with log-probabilities like the answer's.
            fields.PromptLogprobs ?? (fields.Echo ? request.TopLogprobs : null));
        return new ChatPrompt(text, tokenIds, samplingParams);
    }
}
