using System.Text;
using System.Text.Json;
using Vllm.Cli.Benchmarks.Serving;

namespace Vllm.Tests.Benchmarks;

public sealed class EventStreamTests
{
    const string Events = ": ping\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:{\"b\":\"é\"}\r\n\r\ndata: \n\ndata: [DONE]\n\ndata: late\n\n";

    /// <summary>However the network cuts the stream, the same lines come out.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(1000)]
    public async Task Read_FindsDataLines(int pieceSize)
    {
        using var stream = new PieceStream(Encoding.UTF8.GetBytes(Events), pieceSize);
        List<string> lines = [];

        await EventLines.ReadAsync(stream, data => lines.Add(Encoding.UTF8.GetString(data)), CancellationToken.None);

        Assert.Equal(["{\"a\":1}", "{\"b\":\"é\"}"], lines);
    }

    [Fact]
    public async Task Read_TakesALastLineWithoutEnd()
    {
        using var stream = new PieceStream("data: 1\n\ndata: 2"u8.ToArray(), 3);
        List<string> lines = [];

        await EventLines.ReadAsync(stream, data => lines.Add(Encoding.UTF8.GetString(data)), CancellationToken.None);

        Assert.Equal(["1", "2"], lines);
    }

    [Theory]
    [InlineData("""{"choices":[{"index":0,"text":" a","logprobs":null,"finish_reason":null}]}""", true, " a")]
    [InlineData("""{"choices":[{"index":0,"text":""}]}""", true, "")]
    [InlineData("""{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}""", false, "")]
    [InlineData("""{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":null}}]}""", false, "")]
    [InlineData("""{"choices":[{"delta":{"role":"assistant","content":"Hi"}}]}""", true, "Hi")]
    [InlineData("""{"choices":[{"delta":{"content":"\u00e9\n"},"finish_reason":null}]}""", true, "é\n")]
    [InlineData("""{"choices":[{"delta":{"role":"assistant","reasoning_content":"hm"}}]}""", true, "")]
    [InlineData("""{"choices":[{"delta":{},"finish_reason":"stop"}]}""", true, "")]
    [InlineData("""{"choices":[],"usage":{"prompt_tokens":1}}""", false, "")]
    public void Chunk_KnowsTokensFromFrame(string json, bool hasToken, string expected)
    {
        var text = new Utf8Text();

        StreamChunk chunk = StreamChunk.Read(Encoding.UTF8.GetBytes(json), text);

        Assert.Equal(hasToken, chunk.HasToken);
        Assert.Equal(expected, text.ToString());
    }

    [Fact]
    public void Chunk_ReadsUsageAndError()
    {
        StreamChunk usage = StreamChunk.Read(
            """{"id":"x","choices":[],"usage":{"prompt_tokens":7,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens":9}}"""u8,
            new Utf8Text());
        StreamChunk error = StreamChunk.Read("""{"error":{"message":"gone","code":500}}"""u8, new Utf8Text());

        Assert.Equal((7, 9), (usage.PromptTokens, usage.CompletionTokens));
        Assert.Null(usage.Error);
        Assert.Equal("gone", error.Error);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"choices\":")]
    [InlineData("nonsense")]
    public void Chunk_RefusesWhatIsNoObject(string json) => Assert.ThrowsAny<JsonException>(
        () => { StreamChunk.Read(Encoding.UTF8.GetBytes(json), new Utf8Text()); });

    sealed class PieceStream(byte[] bytes, int pieceSize) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(pieceSize, buffer.Length)], cancellationToken);
    }
}
