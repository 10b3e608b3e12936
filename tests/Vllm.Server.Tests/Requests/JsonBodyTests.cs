using System.Text;
using System.Text.Json;
using Vllm.Server.Protocol;
using Vllm.Server.Requests;

namespace Vllm.Tests.Requests;

public sealed class JsonBodyTests
{
    const string Json = """{"a": "é"}""";

    public static TheoryData<string, byte[]> Encodings => new()
    {
        { "utf-8", Encoding.UTF8.GetBytes(Json) },
        { "utf-8 with mark", [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Json)] },
        { "utf-16 little", Encoding.Unicode.GetBytes(Json) },
        { "utf-16 big", Encoding.BigEndianUnicode.GetBytes(Json) },
        { "utf-16 with mark", [0xFF, 0xFE, .. Encoding.Unicode.GetBytes(Json)] },
        { "utf-32", Encoding.UTF32.GetBytes(Json) },
    };

    [Theory]
    [MemberData(nameof(Encodings))]
    public void AnyUnicodeEncoding_IsRead(string name, byte[] body)
    {
        Assert.NotEmpty(name);
        Assert.Equal("é", JsonBody.ParseObject(body).GetProperty("a").GetString());
    }

    [Theory]
    [InlineData("NaN", double.NaN)]
    [InlineData("Infinity", double.PositiveInfinity)]
    [InlineData("-Infinity", double.NegativeInfinity)]
    public void NonFiniteNumber_IsRead(string literal, double expected)
    {
        JsonElement body =
            JsonBody.ParseObject(Encoding.UTF8.GetBytes($$"""{"x": [{{literal}}], "temperature": {{literal}}}"""));

        Assert.Equal(expected, new RequestFields(body).Float("temperature"));
    }

    [Theory]
    [InlineData("{", "body.1", "Expecting property name enclosed in double quotes")]
    [InlineData("{\"a\" 1}", "body.5", "Expecting ':' delimiter")]
    [InlineData("{\"a\": [1 2]}", "body.9", "Expecting ',' delimiter")]
    [InlineData("{\"a\": tru}", "body.6", "Expecting value")]
    [InlineData("{} {}", "body.3", "Extra data")]
    public void Fault_IsPlacedAsPythonDoes(string text, string param, string reason)
    {
        ApiError error = Assert.Throws<RequestException>(() =>
            JsonBody.ParseObject(Encoding.UTF8.GetBytes(text))).Error;

        Assert.Equal(param, error.Param);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void InvalidUtf8_IsNoText() =>
        Assert.Throws<UnreadableBodyException>(() => JsonBody.ParseObject(new byte[] { 0x7B, 0xFF, 0x7D }));

    [Theory]
    [InlineData("""{"a": "\ud800"}""")]
    [InlineData("""{"\udc00": 1, "a": "\ude00\ud83d\ude00"}""")]
    public void HalfSurrogateInAValue_IsTheCallersMistakeWhenItIsRead(string text)
    {
        JsonElement body = JsonBody.ParseText(text);

        Assert.Null(new RequestFields(body).String("b"));
        Assert.Equal(400, Assert.Throws<RequestException>(() => new RequestFields(body).String("a")).Error.Status);
    }

    [Theory]
    [InlineData("""{"\udc00": 1, "a": "x"}""", "x")]
    [InlineData("""{"\\\ud83d\ud83d\ude00": 1, "a": "\ud83d\ude00 \\ud83d"}""", "\U0001F600 \\ud83d")]
    public void HalfSurrogateInAName_DisturbsNoOther(string text, string expected) =>
        Assert.Equal(expected, new RequestFields(JsonBody.ParseText(text)).String("a"));
}
