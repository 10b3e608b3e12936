using System.Text.Json;
using Vllm.Text.Tokenization.Bpe;
using Vllm.Text.Tokenization.Decoders;
using Vllm.Text.Tokenization.Normalizers;
using Vllm.Text.Tokenization.PreTokenizers;

namespace Vllm.Text.Tokenization.Json;

/// <summary>Reads a tokenizer.json, the format of Hugging Face tokenizers (version 1.0).</summary>
static class TokenizerJson
{
    /// <summary>The tokenizer in <paramref name="json"/>; <paramref name="file"/> is for error messages.</summary>
    public static Tokenizer Read(byte[] json, string file)
    {
        try
        {
            return ReadParts(json, file);
        }
        catch (JsonException e)
        {
            throw new TokenizerLoadException(file, e.Path ?? "", $"is no valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new TokenizerLoadException(file, "", $"holds text that is no valid UTF-16: {e.Message}", e);
        }
    }

    static HuggingFaceTokenizer ReadParts(byte[] json, string file)
    {
        var model = new BpeReader(file);
        Dictionary<string, JsonKey> parts = FindParts(WithoutMark(json), file, model);
        if (!model.HasModel) throw new TokenizerLoadException(file, "model", "is missing");

        Normalizer? normalizer = ReadPart(parts, "normalizer", NormalizerReader.Read);
        PreTokenizer? preTokenizer = ReadPart(parts, "pre_tokenizer", PreTokenizerReader.Read);
        TokenDecoder? decoder = ReadPart(parts, "decoder", DecoderReader.Read);
        bool isByteLevel = IsByteLevel(normalizer, preTokenizer, decoder);
        BpeModel bpe = model.Read(WithoutMark(json), isByteLevel);
        return new HuggingFaceTokenizer(
            bpe, normalizer, preTokenizer, ReadPart(parts, "post_processor", PostProcessorReader.Read), decoder,
            new AddedTokens(ReadAddedTokens(parts), bpe.Vocabulary, normalizer));
    }

    static ReadOnlySpan<byte> WithoutMark(byte[] json) => json.AsSpan().StartsWith("\uFEFF"u8) ? json.AsSpan(3) : json;

    /// <summary>Everything but the model, which is read as a stream later.</summary>
    static Dictionary<string, JsonKey> FindParts(ReadOnlySpan<byte> json, string file, BpeReader model)
    {
        var parts = new Dictionary<string, JsonKey>();
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new TokenizerLoadException(file, "", "expected an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == "model" && reader.TokenType == JsonTokenType.StartObject)
                model.FindParts(ref reader);
            else
                parts[name] = new JsonKey(file, name, JsonElement.ParseValue(ref reader));
        }
        return parts;
    }

    static T? ReadPart<T>(Dictionary<string, JsonKey> parts, string name, Func<JsonKey, T> read) where T : class =>
        parts.TryGetValue(name, out JsonKey part) && !part.IsNull ? read(part) : null;

    static bool IsByteLevel(Normalizer? normalizer, PreTokenizer? preTokenizer, TokenDecoder? decoder) =>
        normalizer is ByteLevelNormalizer || decoder is ByteLevelDecoder || preTokenizer is ByteLevelPreTokenizer
        || preTokenizer is PreTokenizerSequence { Steps: var steps } && steps.Any(s => s is ByteLevelPreTokenizer);

    static List<AddedToken> ReadAddedTokens(Dictionary<string, JsonKey> parts)
    {
        if (!parts.TryGetValue("added_tokens", out JsonKey list) || list.IsNull) return [];
        return [.. list.Items().Select(token => new AddedToken(
            token.Get("content").AsString(), token.GetBool("single_word", false), token.GetBool("lstrip", false),
            token.GetBool("rstrip", false), token.GetBool("normalized", true), token.GetBool("special", false)))];
    }
}
