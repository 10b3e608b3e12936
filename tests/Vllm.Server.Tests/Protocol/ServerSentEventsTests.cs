using System.Text;
using Microsoft.AspNetCore.Http;
using Vllm.Server.Protocol;

namespace Vllm.Tests.Protocol;

public sealed class ServerSentEventsTests
{
    static async Task<string> Written(Func<ServerSentEvents, Task> write)
    {
        var context = new DefaultHttpContext();
        using var body = new MemoryStream();
        context.Response.Body = body;
        await using (var events = new ServerSentEvents(context)) await write(events);
        Assert.Equal("text/event-stream; charset=utf-8", context.Response.ContentType);
        return Encoding.UTF8.GetString(body.ToArray());
    }

    [Fact]
    public async Task Event_IsOneDataLine()
    {
        string text = await Written(async events =>
        {
            for (int i = 1; i <= 2; i++)
            {
                var json = events.Begin();
                json.WriteStartObject();
                json.WriteString("é", $"{i}\n<");
                json.WriteEndObject();
                await events.Send();
            }
            await events.SendDone();
        });

        Assert.Equal("data: {\"é\":\"1\\n<\"}\n\ndata: {\"é\":\"2\\n<\"}\n\ndata: [DONE]\n\n", text);
    }

    [Fact]
    public async Task ErrorInStream_IsAnEventBeforeTheEndMark()
    {
        string text = await Written(events => Assert.ThrowsAsync<RequestException>(() => EndpointBoundary.Stream(
            events, () => throw new RequestException(ApiError.Field("no", "x")))));

        Assert.Equal("data: {\"error\":{\"message\":\"no (parameter=x)\",\"type\":\"BadRequestError\",\"param\":\"x\",\"code\":400}}\n\n"
            + "data: [DONE]\n\n", text);
    }

    [Fact]
    public async Task KeepAlive_IsAComment() =>
        Assert.Equal(": keep-alive\n\n", await Written(async events => await events.SendKeepAlive()));
}
