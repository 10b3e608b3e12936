using Vllm.Server.Generation;

namespace Vllm.Server.ChatCompletions;

/// <summary>A conversation as it is run: its text and its tokens.</summary>
sealed record ChatPrompt(string Text, IReadOnlyList<int> TokenIds)
{
    /// <exception cref="Protocol.RequestException">The template refuses the conversation, or the prompt is too
    /// long.</exception>
    public static ChatPrompt Make(Generator generator, ChatPrompts chatPrompts, ChatCompletionRequest request)
    {
        GenerationFields fields = request.Generation;
        string text = chatPrompts.Render(request.Conversation);
        return new ChatPrompt(text, generator.Prompts.Encode(
            text, request.AddSpecialTokens, fields.TruncatePromptTokens, fields.TruncateRight));
    }
}
