using System.Diagnostics;
using System.Text;
using Vllm.Text.Tokenization;
using Vllm.Text.Tokenization.Json;

namespace Vllm.Text.Tests.Tokenization;

public class TokenizerRobustnessTests
{
    const int LongLength = 1_000_000;

    /// <summary>Generous: the time of a shared machine, not of the algorithm. A quadratic merge would take
    /// hours.</summary>
    static readonly TimeSpan LongLimit = TimeSpan.FromSeconds(30);

    const string ByteLevel = """
        {"added_tokens":[{"id":4,"content":"<x>","special":true,"normalized":false}],"normalizer":null,
         "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},"post_processor":null,
         "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"aa":3},"merges":["a b",["a","a"]]}}
        """;

    public static TheoryData<string> Folders =>
        TokenizerFixtures.FoldersOf("byte-level-bpe", "bpe-byte-fallback", "gguf-gpt2", "gguf-llama");

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Folders))]
    public void Encode_IsLinear(string folder)
    {
        Tokenizer tokenizer = TokenizerFixtures.Load(folder);
        foreach (string text in new[] { new string('a', LongLength), new string(' ', LongLength),
            new string('\n', LongLength), new string('1', LongLength) })
        {
            var watch = Stopwatch.StartNew();
            tokenizer.Encode(text);
            Assert.True(watch.Elapsed < LongLimit, $"a million of U+{(int)text[0]:X4} took {watch.Elapsed}");
        }
    }

    [Fact]
    public void OneTokenizer_ServesManyThreads()
    {
        Tokenizer tokenizer = Tokenizer.FromGguf(TokenizerFixtures.EmbeddedModelMetadata());
        string[] texts = [.. Enumerable.Range(0, 200).Select(i =>
            $"Request {i}: the {i * 7919 % 1000} quick brown foxes — {new string('x', i)} 漢字")];
        int[][] expected = [.. texts.Select(t => tokenizer.Encode(t))];

        Parallel.For(0, 2000, i =>
        {
            int[] ids = tokenizer.Encode(texts[i % texts.Length]);
            Assert.Equal(expected[i % texts.Length], ids);
            Assert.Equal(texts[i % texts.Length], tokenizer.Decode(ids));
        });
    }

    [Fact]
    public void LoneSurrogates_CountAsReplacementCharacters()
    {
        Tokenizer tokenizer = Tokenizer.FromGguf(TokenizerFixtures.EmbeddedModelMetadata());

        Assert.Equal(tokenizer.Encode("a\uFFFDb"), tokenizer.Encode("a\uD800b"));
    }

    [Fact]
    public void IdsOutsideTheVocabulary_LeaveNoText()
    {
        Tokenizer tokenizer = Tokenizer.FromGguf(TokenizerFixtures.EmbeddedModelMetadata());

        Assert.Equal("", tokenizer.Decode([-1, int.MaxValue, tokenizer.VocabSize]));
        Assert.Null(tokenizer.IdToToken(-1));
        Assert.Null(tokenizer.TokenToId("no such token"));
        Assert.True(tokenizer.TokenBytes(int.MinValue).IsEmpty);
    }

    [Fact]
    public void Minimal_Works()
    {
        Tokenizer tokenizer = Read(ByteLevel);

        Assert.Equal([3, 2, 4], tokenizer.Encode("aaab<x>"));
        Assert.Equal("aaab<x>", tokenizer.Decode([3, 2, 4]));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("[]", "")]
    [InlineData("{}", "model")]
    [InlineData("""{"model":{"type":"Mystery"}}""", "model.type")]
    [InlineData("""{"model":{"type":"BPE","merges":[]}}""", "model.vocab")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0}}}""", "model.merges")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":"x"},"merges":[]}}""", "model.vocab.a")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}""", "model.merges[0]")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}""", "model.merges[0]")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}""", "model.merges[0]")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"fuse_unk":3}}""", "model.fuse_unk")]
    [InlineData("""{"normalizer":{"type":"Mystery"},"model":{}}""", "normalizer")]
    [InlineData("""{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend"}]},"model":{}}""",
        "normalizer.normalizers[1]")]
    [InlineData("""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},"model":{}}""",
        "pre_tokenizer.pattern.Regex")]
    [InlineData("""{"added_tokens":[{"id":1}],"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""",
        "added_tokens[0]")]
    [InlineData("""{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],"pair":[]},"model":{"vocab":{},"merges":[]}}""", "post_processor.single[0].SpecialToken")]
    public void MalformedFile_NamesFileAndKey(string json, string key)
    {
        TokenizerLoadException error = Assert.Throws<TokenizerLoadException>(() => Read(json));

        Assert.Equal("some/tokenizer.json", error.File);
        Assert.Equal(key, error.Key);
    }

    [Fact]
    public void TruncatedFile_NamesFile()
    {
        for (int length = 0; length < ByteLevel.Length - 1; length++)
            Assert.Equal("some/tokenizer.json",
                Assert.Throws<TokenizerLoadException>(() => Read(ByteLevel[..length])).File);
    }

    [Fact]
    public void MalformedGguf_NamesKey()
    {
        Dictionary<string, object> metadata = TokenizerFixtures.EmbeddedModelMetadata();
        foreach ((string key, object? value) in new (string, object?)[]
        {
            ("tokenizer.ggml.model", null), ("tokenizer.ggml.model", 3), ("tokenizer.ggml.model", "mystery"),
            ("tokenizer.ggml.pre", "mystery"), ("tokenizer.ggml.tokens", null), ("tokenizer.ggml.merges", null),
            ("tokenizer.ggml.token_type", new int[3]), ("tokenizer.ggml.add_bos_token", "yes"),
                ("tokenizer.ggml.bos_token_id", "one"),
        })
        {
            var broken = new Dictionary<string, object>(metadata);
            broken.Remove(key);
            if (value is not null) broken[key] = value;

            Assert.Equal(key, Assert.Throws<TokenizerLoadException>(() => Tokenizer.FromGguf(broken)).Key);
        }
    }

    static Tokenizer Read(string json) => TokenizerJson.Read(Encoding.UTF8.GetBytes(json), "some/tokenizer.json");
}
