using System.Text;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary>Attributes of a token, as <c>tokenizer.ggml.token_type</c> and llama.cpp's own corrections give
/// them.</summary>
[Flags]
enum TokenAttributes : byte
{
    None = 0,
    Normal = 1,
    Unknown = 2,
    Control = 4,
    UserDefined = 8,
    Unused = 16,
    Byte = 32,

    /// <summary>White space to the left of the token in the text is dropped.</summary>
    StripsLeft = 64,

    /// <summary>White space to the right of the token in the text is dropped.</summary>
    StripsRight = 128,
}

/// <summary>The tokens of a GGUF file with their attributes.</summary>
sealed class GgufVocabulary
{
    const string TokensKey = "tokenizer.ggml.tokens";

    // What llama.cpp makes control tokens by their text, whatever their type says: ends of turns, and of each group
    // of alternatives the first one in the vocabulary.
    static readonly HashSet<string> EndTokens =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
        "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
        "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    ];

    static readonly string[][] FillInTheMiddleTokens =
    [
        ["<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
            "<|prefix|>"],
        ["<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
            "<|suffix|>"],
        ["<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
            "<|middle|>"],
        ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"],
        ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
        ["<|file_sep|>"],
    ];

    static readonly string[] FillInTheMiddleKeys = ["fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep"];

    /// <summary>Always rendered: the markers of the Harmony format.</summary>
    static readonly string[] HarmonyMarkers = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

    public GgufVocabulary(GgufMetadata metadata, bool isByteLevel)
    {
        string[] tokens = metadata.GetStrings(TokensKey);
        Tokens = new Vocabulary(isByteLevel, tokens.Length);
        AddTokens(tokens);
        Attributes = new TokenAttributes[tokens.Length];
        int[]? types = metadata.FindInts("tokenizer.ggml.token_type", tokens.Length);
        for (int id = 0; id < tokens.Length; id++)
            Attributes[id] = types is null ? TokenAttributes.Normal : FromType(types[id]);
        CorrectAttributes(metadata);
        SpecialIds = FindSpecialIds();
        SetStripping(metadata);
    }

    public Vocabulary Tokens { get; }

    public TokenAttributes[] Attributes { get; }

    public int Count => Attributes.Length;

    /// <summary>Tokens that are looked for in the text before anything else, longest first.</summary>
    public int[] SpecialIds { get; }

    public bool Has(int id, TokenAttributes any) => (Attributes[id] & any) != 0;

    void AddTokens(string[] tokens)
    {
        byte[] buffer = new byte[256];
        for (int id = 0; id < tokens.Length; id++)
        {
            string token = tokens[id].Length == 0 ? $"[EMPTY_{id}]" : tokens[id];
            if (token.Length * 3 > buffer.Length) buffer = new byte[token.Length * 3];
            int length = Encoding.UTF8.GetBytes(token, buffer);
            if (!Tokens.TryAdd(buffer.AsSpan(0, length), id))
                throw GgufMetadata.Fail($"{TokensKey}[{id}]", $"'{token}' is already token {Tokens.Find(token)}");
        }
    }

    static TokenAttributes FromType(int type) => type switch
    {
        1 => TokenAttributes.Normal,
        2 => TokenAttributes.Unknown,
        3 => TokenAttributes.Control,
        4 => TokenAttributes.UserDefined,
        5 => TokenAttributes.Unused,
        6 => TokenAttributes.Byte,
        _ => TokenAttributes.None,
    };

    void CorrectAttributes(GgufMetadata metadata)
    {
        foreach (string token in EndTokens) Add(token, TokenAttributes.Control);
        for (int i = 0; i < FillInTheMiddleTokens.Length; i++)
        {
            if (metadata.FindInt($"tokenizer.ggml.{FillInTheMiddleKeys[i]}_token_id") is not null) continue;
            if (FillInTheMiddleTokens[i].FirstOrDefault(t => Tokens.Find(t) >= 0) is { } found)
                Add(found, TokenAttributes.Control);
        }
        foreach (string token in HarmonyMarkers) Set(token, TokenAttributes.UserDefined);

        bool has(string token) => Tokens.Find(token) >= 0;
        bool hasCall = has("<|call|>") || has("<|calls|>");
        if (hasCall && (has("<|return|>") || has("<|flush|>"))) Set("<|end|>", TokenAttributes.UserDefined);
        if (has("<|tool_response>")) Set("</s>", TokenAttributes.Normal);
    }

    void Add(string token, TokenAttributes attributes)
    {
        int id = Tokens.Find(token);
        if (id >= 0) Attributes[id] |= attributes;
    }

    void Set(string token, TokenAttributes attributes)
    {
        int id = Tokens.Find(token);
        if (id >= 0) Attributes[id] = attributes;
    }

    int[] FindSpecialIds()
    {
        var special = new List<int>();
        for (int id = 0; id < Count; id++)
            if (Has(id, TokenAttributes.Control | TokenAttributes.UserDefined | TokenAttributes.Unknown)) special.Add(id);
        return [.. special.OrderByDescending(id => Encoding.UTF8.GetByteCount(Tokens.GetText(id)))];
    }

    /// <summary>GGUF has no strip flags; llama.cpp knows the models that need them by name.</summary>
    void SetStripping(GgufMetadata metadata)
    {
        string pre = metadata.FindString("tokenizer.ggml.pre") ?? "";
        string architecture = metadata.FindString("general.architecture") ?? "";
        string name = (metadata.FindString("general.name") ?? "").ToLowerInvariant();
        if (ContainsAny(pre, "jina-v2-de", "jina-v2-es", "jina-v2-code")
            || ContainsAny(architecture, "nomic-bert-moe", "jina-bert-v3"))
            Add("<mask>", TokenAttributes.StripsLeft);
        else if (ContainsAny(name, "phi-3", "phi3"))
        {
            foreach (int id in SpecialIds)
                if (Tokens.GetText(id) is not ("<unk>" or "<s>" or "<|endoftext|>"))
                    Attributes[id] |= TokenAttributes.StripsRight;
            Add("</s>", TokenAttributes.StripsRight);
        }
        else if (ContainsAny(name, "modern-bert")) Add("[MASK]", TokenAttributes.StripsLeft);
    }

    static bool ContainsAny(string text, params ReadOnlySpan<string> parts)
    {
        foreach (string part in parts)
            if (text.Contains(part, StringComparison.Ordinal)) return true;
        return false;
    }
}
