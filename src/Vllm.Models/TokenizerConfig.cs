using Vllm.Models.Loading;

namespace Vllm.Models;

/// <summary>
/// What a checkpoint says about its tokenizer beside the tokenizer itself: chat templates and special tokens.
/// </summary>
public sealed record TokenizerConfig
{
    /// <summary>The template for chats; null when the checkpoint has none.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Further templates by name, such as tool_use or rag.</summary>
    public IReadOnlyDictionary<string, string> NamedChatTemplates { get; init; } = new Dictionary<string, string>();

    /// <summary>Text of special tokens by the names that templates use: bos_token, eos_token, unk_token, …</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    public string? BosToken => SpecialTokens.GetValueOrDefault("bos_token");

    public string? EosToken => SpecialTokens.GetValueOrDefault("eos_token");

    /// <summary>Null: as the tokenizer's own rules say.</summary>
    public bool? AddBosToken { get; init; }

    public bool? AddEosToken { get; init; }

    /// <summary>Reads a Hugging Face folder's files; what is not there is not set.</summary>
    public static TokenizerConfig FromFolder(string folder) => HfTokenizerConfig.Read(folder);
}
