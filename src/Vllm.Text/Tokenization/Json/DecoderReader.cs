using Vllm.Text.Tokenization.Decoders;

namespace Vllm.Text.Tokenization.Json;

static class DecoderReader
{
    public static TokenDecoder Read(JsonKey config) => config.Type switch
    {
        "Sequence" => new DecoderSequence(config.ReadAll("decoders", Read)),
        "ByteLevel" => new ByteLevelDecoder(),
        "ByteFallback" => new ByteFallbackDecoder(),
        "Fuse" => new FuseDecoder(),
        "Metaspace" => new MetaspaceDecoder(PreTokenizerReader.ReadMark(config),
            PreTokenizerReader.ReadPrependScheme(config)),
        "Replace" => new ReplaceDecoder(PatternReader.Read(config.Get("pattern")), config.Get("content").AsString()),
        "Strip" => new StripDecoder(config.Get("content").AsString(), config.Get("start").AsInt(),
            config.Get("stop").AsInt()),
        "BPEDecoder" => new BpeSuffixDecoder(config.Find("suffix")?.AsString() ?? "</w>"),
        "WordPiece" => new WordPieceDecoder(config.Find("prefix")?.AsString() ?? "##", config.GetBool("cleanup", true)),
        "CTC" => new CtcDecoder(
            config.Find("pad_token")?.AsString() ?? "<pad>", config.Find("word_delimiter_token")?.AsString() ?? "|",
            config.GetBool("cleanup", true)),
        { } other => throw config.Fail($"decoder '{other}' is not known"),
    };
}
