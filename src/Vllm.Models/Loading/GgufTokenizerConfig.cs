namespace Vllm.Models.Loading;

/// <summary>Reads chat templates and special tokens from the metadata of a GGUF file.</summary>
static class GgufTokenizerConfig
{
    public const string TokensKey = "tokenizer.ggml.tokens";

    const string ModelKey = "tokenizer.ggml.model";
    const string MergesKey = "tokenizer.ggml.merges";
    const string TemplateKey = "tokenizer.chat_template";

    /// <summary>Hugging Face's name of a special token, and the key of its id.</summary>
    static readonly (string Name, string Key)[] SpecialTokenKeys =
    [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("sep_token", "seperator"), // sic
        ("pad_token", "padding"), ("cls_token", "cls"), ("mask_token", "mask"),
    ];

    static readonly string[] EndTokenKeys = ["eos", "eot", "eom"];

    public static TokenizerConfig Read(GgufFile file)
    {
        var keys = new GgufKeys(file);
        string model = keys.String(ModelKey) ?? throw keys.Defect(ModelKey, "the kind of tokenizer");
        if (model == "gpt2" && !keys.Contains(MergesKey)) throw keys.Defect(MergesKey, "merges for a gpt2 tokenizer");
        string[] tokens = keys.Strings(TokensKey)
            ?? (model is "none" or "no_vocab" ? [] : throw keys.Defect(TokensKey, "the tokens of the vocabulary"));
        var specialTokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string name, string key) in SpecialTokenKeys)
            if (TokenId(keys, key, tokens.Length) is int id)
                specialTokens.Add(name, tokens[id]);
        return new()
        {
            ChatTemplate = keys.String(TemplateKey),
            NamedChatTemplates = file.Metadata.Keys
                .Where(key => key.StartsWith(TemplateKey + ".", StringComparison.Ordinal))
                .ToDictionary(key => key[(TemplateKey.Length + 1)..], key => keys.String(key)!, StringComparer.Ordinal),
            SpecialTokens = specialTokens,
            AddBosToken = keys.Bool("tokenizer.ggml.add_bos_token"),
            AddEosToken = keys.Bool("tokenizer.ggml.add_eos_token"),
        };
    }

    /// <summary>
    /// The id of a special token; null when there is none, or one outside the vocabulary, as in llama.cpp.
    /// </summary>
    public static int? TokenId(GgufKeys keys, string name, int vocabSize) =>
        keys.Whole($"tokenizer.ggml.{name}_token_id") is long id && id >= 0 && id < vocabSize ? (int)id : null;

    /// <summary>End of sequence, of turn and of message: generation stops at each of them, as in llama.cpp.</summary>
    public static IReadOnlyList<int> EndTokenIds(GgufKeys keys, int vocabSize) =>
        [.. EndTokenKeys.Select(name => TokenId(keys, name, vocabSize)).OfType<int>().Distinct()];
}
