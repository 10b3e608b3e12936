using System.Text.Json;
using Vllm.Models.Loading;

namespace Vllm.Models.Synth;

/// <summary>The tokenizer of a GGUF file, to be written into checkpoints of any vocabulary that holds it.</summary>
sealed class SynthTokenizer
{
    const string Prefix = "tokenizer.";
    const string TypesKey = "tokenizer.ggml.token_type";
    const int UnusedType = 5; // llama.h, enum llama_token_type
    const int ControlType = 3;

    readonly GgufFile _source;
    readonly string[] _tokens;
    readonly int[] _types;
    readonly int _numOwnTokens;

    /// <param name="source">Must stay open.</param>
    /// <param name="minVocabSize">Unused tokens fill the vocabulary up to this size.</param>
    public SynthTokenizer(GgufFile source, int minVocabSize)
    {
        _source = source;
        var keys = new GgufKeys(source);
        if (keys.String("tokenizer.ggml.model") != "gpt2" || keys.String("tokenizer.ggml.pre") != "smollm")
            throw keys.Defect("tokenizer.ggml.pre", "the tokenizer of SmolLM2");
        string[] own = keys.Strings(GgufTokenizerConfig.TokensKey) ?? [];
        int[] ownTypes = source.Metadata.TryGetValue(TypesKey, out object? types) ? types as int[] ?? [] : [];
        if (ownTypes.Length != own.Length) throw keys.Defect(TypesKey, $"{own.Length} token types");
        _numOwnTokens = own.Length;
        int numUnused = Math.Max(0, minVocabSize - own.Length);
        _tokens = [.. own, .. Enumerable.Range(own.Length, numUnused).Select(id => $"[PAD{id}]")];
        _types = [.. ownTypes, .. Enumerable.Repeat(UnusedType, numUnused)];
    }

    public int VocabSize => _tokens.Length;

    public void AddTo(GgufHeader header)
    {
        foreach (string key in _source.Metadata.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            header.Add(key, key switch
            {
                GgufTokenizerConfig.TokensKey => _tokens,
                TypesKey => _types,
                _ => _source.Metadata[key],
            });
        }
    }

    /// <summary>Writes <c>tokenizer.json</c> and <c>tokenizer_config.json</c>.</summary>
    public void WriteTo(string folder)
    {
        JsonFile.Write(Path.Combine(folder, "tokenizer.json"), WriteTokenizer);
        JsonFile.Write(Path.Combine(folder, "tokenizer_config.json"), WriteConfig);
    }

    /// <summary>Ids of the special tokens <c>bos</c> and <c>eos</c>.</summary>
    public int TokenId(string name) => GgufTokenizerConfig.TokenId(new(_source), name, VocabSize)
        ?? throw new GgufKeys(_source).Defect($"tokenizer.ggml.{name}_token_id", "a token");

    void WriteTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < _numOwnTokens; id++)
            if (_types[id] == ControlType)
                WriteSpecialToken(json, id);
        json.WriteEndArray();
        json.WriteNull("normalizer");
        json.WritePropertyName("pre_tokenizer");
        json.WriteRawValue("""
            {"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
            {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}
            """);
        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        json.WriteRawValue("""
            {"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}
            """);
        WriteModel(json);
        json.WriteEndObject();
    }

    void WriteSpecialToken(Utf8JsonWriter json, int id)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", _tokens[id]);
        foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"])
            json.WriteBoolean(flag, false);
        json.WriteBoolean("special", true);
        json.WriteEndObject();
    }

    void WriteModel(Utf8JsonWriter json)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string none in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
            json.WriteNull(none);
        foreach (string flag in (string[])["fuse_unk", "byte_fallback", "ignore_merges"])
            json.WriteBoolean(flag, false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < _tokens.Length; id++) json.WriteNumber(_tokens[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (string merge in (string[])_source.Metadata["tokenizer.ggml.merges"]) json.WriteStringValue(merge);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    void WriteConfig(Utf8JsonWriter json)
    {
        TokenizerConfig config = GgufTokenizerConfig.Read(_source);
        json.WriteStartObject();
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteBoolean("add_bos_token", config.AddBosToken ?? false);
        foreach ((string name, string token) in config.SpecialTokens) json.WriteString(name, token);
        if (config.ChatTemplate is { } template) json.WriteString("chat_template", template);
        json.WriteEndObject();
    }
}

/// <summary>JSON files for people to read.</summary>
static class JsonFile
{
    public static void Write(string path, Action<Utf8JsonWriter> write)
    {
        using FileStream stream = File.Create(path);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        write(json);
    }
}
