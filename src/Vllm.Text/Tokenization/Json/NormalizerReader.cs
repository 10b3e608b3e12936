using Vllm.Text.Tokenization.Normalizers;

namespace Vllm.Text.Tokenization.Json;

static class NormalizerReader
{
    public static Normalizer Read(JsonKey config) => config.Type switch
    {
        "Sequence" => new NormalizerSequence(config.ReadAll("normalizers", Read)),
        "NFC" => new UnicodeNormalizer(composes: true, isCompatible: false),
        "NFD" => new UnicodeNormalizer(composes: false, isCompatible: false),
        "NFKC" => new UnicodeNormalizer(composes: true, isCompatible: true),
        "NFKD" => new UnicodeNormalizer(composes: false, isCompatible: true),
        "Lowercase" => new LowercaseNormalizer(),
        "StripAccents" => new StripAccentsNormalizer(),
        "Strip" => new StripNormalizer(config.Get("strip_left").AsBool(), config.Get("strip_right").AsBool()),
        "Prepend" => new PrependNormalizer(config.Get("prepend").AsString()),
        "Replace" => new ReplaceNormalizer(PatternReader.Read(config.Get("pattern")), config.Get("content").AsString()),
        "Nmt" => new NmtNormalizer(),
        "ByteLevel" => new ByteLevelNormalizer(),
        "BertNormalizer" => ReadBert(config),
        { } other => throw config.Fail($"normalizer '{other}' is not known"),
    };

    static BertNormalizer ReadBert(JsonKey config)
    {
        bool lowers = config.GetBool("lowercase", true);
        // Accents go with case unless the file says otherwise.
        return new BertNormalizer(
            config.GetBool("clean_text", true), config.GetBool("handle_chinese_chars", true),
            config.GetBool("strip_accents", lowers), lowers);
    }
}
