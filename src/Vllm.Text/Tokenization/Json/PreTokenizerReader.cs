using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tokenization.Json;

static class PreTokenizerReader
{
    const int DefaultFixedLength = 5;

    public static PreTokenizer Read(JsonKey config) => config.Type switch
    {
        "Sequence" => new PreTokenizerSequence(config.ReadAll("pretokenizers", Read)),
        "Split" => new SplitPreTokenizer(
            PatternReader.Read(config.Get("pattern")), ReadBehavior(config.Get("behavior")),
                config.GetBool("invert", false)),
        "ByteLevel" => new ByteLevelPreTokenizer(config.GetBool("add_prefix_space", true),
            config.GetBool("use_regex", true)),
        "Whitespace" => SplitPreTokenizer.Whitespace(),
        "WhitespaceSplit" => SplitPreTokenizer.WhitespaceSplit(),
        "BertPreTokenizer" => SplitPreTokenizer.Bert(),
        "Digits" => SplitPreTokenizer.Digits(config.GetBool("individual_digits", false)),
        "Punctuation" => SplitPreTokenizer.Punctuation(
            config.Find("behavior") is { } behavior ? ReadBehavior(behavior) : SplitBehavior.Isolated),
        "CharDelimiterSplit" => SplitPreTokenizer.CharDelimiter(config.Get("delimiter").AsString()),
        "Metaspace" => new MetaspacePreTokenizer(ReadMark(config), ReadPrependScheme(config),
            config.GetBool("split", true)),
        "FixedLength" => ReadFixedLength(config),
        "UnicodeScripts" => new UnicodeScriptsPreTokenizer(),
        { } other => throw config.Fail($"pre-tokenizer '{other}' is not known"),
    };

    static SplitBehavior ReadBehavior(JsonKey behavior) => behavior.AsString() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        { } other => throw behavior.Fail($"'{other}' is not known"),
    };

    static FixedLengthPreTokenizer ReadFixedLength(JsonKey config)
    {
        int length = config.Find("length")?.AsInt() ?? DefaultFixedLength;
        return length > 0 ? new FixedLengthPreTokenizer(length) : throw config.Fail($"length {length} is not positive");
    }

    public static string ReadMark(JsonKey config) => config.Find("replacement")?.AsString() ?? "▁";

    public static PrependScheme ReadPrependScheme(JsonKey config)
    {
        if (config.Find("prepend_scheme") is not { } scheme)
            // Files from before tokenizers 0.15.1 have a flag instead.
            return config.GetBool("add_prefix_space", true) ? PrependScheme.Always : PrependScheme.Never;
        return scheme.AsString() switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            { } other => throw scheme.Fail($"'{other}' is not known"),
        };
    }
}
