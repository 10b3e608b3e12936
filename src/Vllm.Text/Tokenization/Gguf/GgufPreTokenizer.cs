using Vllm.Text.Tokenization.Patterns;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Gguf;

/// <summary>What <c>tokenizer.ggml.pre</c> stands for in llama.cpp: the patterns that cut the text into words, one
/// after the other, and the settings that go with them.</summary>
/// <param name="Patterns">Each cuts the pieces of the one before.</param>
/// <param name="IgnoresMerges">Whether whole words are looked up before merging.</param>
/// <param name="AddsBos">Whether BOS comes first, unless the file says otherwise.</param>
/// <param name="CleansSpaces">Whether decoding removes spaces before punctuation.</param>
/// <param name="HasDefaultBos">Whether there is a BOS token when the file names none.</param>
sealed record GgufPreTokenizer(
    IReadOnlyList<string> Patterns, bool IgnoresMerges = false, bool AddsBos = false, bool CleansSpaces = false,
    bool HasDefaultBos = true)
{
    const string AfmoeDigits = @"\p{AFMoE_digits}";
    const string Contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    const string Spaces = @"\s*[\r\n]+|\s+(?!\S)|\s+";
    const string Word = @"[^\r\n\p{L}\p{N}]?\p{L}+";
    const string Punctuation = @" ?[^\s\p{L}\p{N}]+[\r\n]*";
    const string AsciiPunctuation = @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+";
    const string CaseSplit = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";
    const string CaseSplitUpper = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";
    const string AsciiCaseSplit = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+";
    const string AsciiCaseSplitUpper = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*";
    const string MarkCaseSplit = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))*((?=[\p{L}\p{M}])([^A-Z]))+";
    const string MarkCaseSplitUpper = @"[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))+((?=[\p{L}\p{M}])([^A-Z]))*";
    const string SlashPunctuation = @" ?[^\s\p{L}\p{N}]+[\r\n/]*";
    const string Han = @"一-鿿㐀-䶿\x{F900}-﫿\x{20000}-\x{2A6DF}\x{2A700}-\x{2EBEF}\x{2F800}-\x{2FA1F}";

    const string Llama3 = $@"{Contractions}|{Word}|\p{{N}}{{1,3}}|{Punctuation}|{Spaces}";
    const string Qwen2 = $@"{Contractions}|{Word}|\p{{N}}|{Punctuation}|{Spaces}";
    const string DeepSeek3 =
        AsciiPunctuation + @"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + Spaces;
    const string Bloom = " ?[^(\\s|.,!?…。，、।۔،)]+";

    static readonly string[] Gpt2 = [SplitterCatalog.Gpt2];
    static readonly string[] Starcoder = [@"\p{N}", SplitterCatalog.Gpt2];
    static readonly string[] Default =
        [@"[\p{P}\$\+<=>\^~\|]+", SplitterCatalog.Gpt2, @"\p{N}+", "[0-9][0-9][0-9]"];
    static readonly string[] DeepSeek3All = [@"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DeepSeek3];
    static readonly string[] Gpt4O =
        [$@"{AsciiCaseSplit}{Contractions}?|{AsciiCaseSplitUpper}{Contractions}?|\p{{N}}{{1,3}}|{SlashPunctuation}|{Spaces}"];

    /// <summary>The settings of a name; null when llama.cpp does not know it. No name means <c>default</c>.</summary>
    public static GgufPreTokenizer? Find(string? name) => name switch
    {
        null or "" or "default" => new(Default, CleansSpaces: true),
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2"
            or "jina-v5-nano" => new([Llama3], IgnoresMerges: true, AddsBos: true, CleansSpaces: true),
        "minicpm5" => new([@"\p{N}{1,3}", $@"{Contractions}|{Word}|\p{{N}}+|{Punctuation}|{Spaces}"],
            IgnoresMerges: true, CleansSpaces: true),
        "jais-2" => new([$@"{Contractions}|{Word}|\p{{N}}{{1,3}}|{Punctuation}|\s*[\r\n]+|\s{{512}}(?!\S)|\s{{256}}(?!\S)"
            + @"|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"],
            CleansSpaces: true),
        "dbrx" or "smaug-bpe" => new([Llama3], CleansSpaces: true),
        "chatglm-bpe" or "glm4" => new([Llama3], CleansSpaces: true, HasDefaultBos: false),
        "deepseek-llm" => new(["[\r\n]", DeepSeekLetters, @"\s?[!-/:-~！-／：-～‘-‟　-。]+", @"\s+$",
            "[一-龥ࠀ-一가-퟿]+", @"\p{N}+"]),
        "deepseek-coder" => new(["[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", @"\p{N}"]),
        "deepseek-v3" or "hunyuan-dense" or "joyai-llm" or "hy_v4" => new(DeepSeek3All),
        "spark2_5" => new([@"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            AsciiPunctuation + @"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+",
                @"\p{N}"]),
        "youtu" => new(["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
            $@"{CaseSplit}{Contractions}?|{CaseSplitUpper}{Contractions}?|\p{{N}}|{SlashPunctuation}|{Spaces}"],
            IgnoresMerges: true),
        "falcon" => new([@"[\p{P}\$\+<=>\^~\|`]+", SplitterCatalog.Gpt2, "[0-9][0-9][0-9]"], CleansSpaces: true),
        "starcoder" or "refact" or "codeshell" or "exaone" or "minerva-7b" or "mellum2" =>
            new(Starcoder, CleansSpaces: true),
        "command-r" or "smollm" => new(Starcoder),
        "gpt-2" or "phi-2" or "jina-es" or "jina-de" or "gigachat" or "jina-v2-es" or "jina-v2-de" or "a.x-4.0"
            or "mellum" or "modern-bert" or "mpt" or "olmo" or "jais" or "exaone4" or "jina-v1-en" or "jina-v2-code"
            or "roberta-bpe" => new(Gpt2, CleansSpaces: true),
        "trillion" or "granite-docling" => new(Gpt2),
        "stablelm2" or "megrez" => new([Qwen2], CleansSpaces: true),
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "f2llmv2" or "hunyuan" or "solar-open" or "grok-2" => new([Qwen2]),
        "qwen35" => new([$@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{Spaces}"]),
        "bailingmoe" or "bailingmoe2" or "llada-moe" => new(
            [$@"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|{Word}|\p{{N}}|{Punctuation}|\s*[\r\n]|\s+(?!\S)|\s+"]),
        "ufakzeka" => new([$@"{Word}|\p{{N}}|{Punctuation}|{Spaces}"]),
        "seed-coder" => new([$@"{Contractions}|{Word}|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{Spaces}"]),
        "poro-chat" => new([Bloom]),
        "bloom" or "gpt3-finnish" => new([Bloom], CleansSpaces: true),
        "viking" => new([Bloom, @"\p{N}"]),
        "tekken" => new([$@"{AsciiCaseSplit}|{AsciiCaseSplitUpper}|\p{{N}}|{SlashPunctuation}|{Spaces}"],
            IgnoresMerges: true, AddsBos: true),
        "chameleon" => new(["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )",
            @"\p{N}", @"[\p{P}!-/:-@\[-`{-~]", SplitterCatalog.Gpt2], AddsBos: true),
        "gpt-4o" or "llama4" or "kanana2" or "talkie" or "minimax-m2" => new(Gpt4O),
        "granite-embed-multi-97m" => new(
            [$@"{MarkCaseSplit}{Contractions}?|{MarkCaseSplitUpper}{Contractions}?|\p{{N}}{{1,3}}|{SlashPunctuation}|{Spaces}"],
            IgnoresMerges: true),
        "tiny_aya" or "cohere2moe" => new([@"\d{1,3}(?=(?:\d{3})*\b)",
            $@"{CaseSplit}{Contractions}?|{CaseSplitUpper}{Contractions}?|\p{{N}}{{1,3}}|{SlashPunctuation}|{Spaces}"]),
        "superbpe" => new([@"\p{N}+", @"(?=(\d{3})+(?!\d))"]),
        "kimi-k2" => new([$@"[{Han}]+|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}&&[^{Han}]]+{Contractions}?|\p{{N}}{{1,3}}|{Punctuation}|{Spaces}"]),
        "afmoe" => new([AfmoeDigits,
            @"[一-鿿㐀-䶿\x{F900}-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+", DeepSeek3]),
        "laguna" => new(["[^\\n]+|[\\n]+", Qwen2]),
        "exaone-moe" => new([$@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"], CleansSpaces: true),
        _ => null,
    };

    public Splitter[] CreateSplitters() => [.. Patterns.Select(CreateSplitter)];

    static Splitter CreateSplitter(string pattern) =>
        pattern == AfmoeDigits ? new AfmoeDigitSplitter(CharClasses.LlamaCpp)
        : SplitterCatalog.Create(pattern, RegexFlavor.LlamaCpp);

    // Cased letters. Escaped where the text of a source file could be normalized to another code point.
    const string DeepSeekLetters =
        @"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ"
        + @"\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}"
        + @"\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}"
        + @"ℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⲳⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
}
