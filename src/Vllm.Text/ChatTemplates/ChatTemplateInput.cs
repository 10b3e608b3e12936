using System.Text.Json;

namespace Vllm.Text.ChatTemplates;

/// <summary>A conversation and what else a chat template is rendered with.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The messages, a JSON array of objects.</summary>
    public required JsonElement Messages { get; init; }

    /// <summary>The tools; none if <c>null</c>. The variable is defined in any case.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Documents to answer from; none if <c>null</c>. The variable is defined in any case.</summary>
    public JsonElement? Documents { get; init; }

    /// <summary>Whether the prompt ends with the header of an assistant's message, for the model to go on.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>The field of the last message that the model is to continue: <c>content</c> for
    /// <c>continue_final_message: true</c>, or a name such as <c>reasoning_content</c>; <c>null</c> to end the
    /// message.</summary>
    public string? ContinueField { get; init; }

    /// <summary><c>null</c>: the variable is not defined.</summary>
    public string? BosToken { get; init; }

    /// <summary><c>null</c>: the variable is not defined.</summary>
    public string? EosToken { get; init; }

    /// <summary>Further variables; they replace others of the same name.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Kwargs { get; init; }
}
