using System.ClientModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;

namespace Vllm.Tests;

/// <summary>The official clients work unchanged.</summary>
public sealed class OpenAiClientTests(RunningServer server) : IClassFixture<RunningServer>
{
    const string Question = "What is the capital of France? Answer with one word.";

    readonly OpenAIClient _client =
        new(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = server.BaseUrl });

    [Fact]
    public async Task DotNet_ListsModels()
    {
        OpenAIModelCollection models = await _client.GetOpenAIModelClient().GetModelsAsync();

        Assert.Equal("smollm2", Assert.Single(models).Id);
    }

    [Fact]
    public async Task DotNet_Chats()
    {
        ChatCompletion answer = await Chat.CompleteChatAsync([new UserChatMessage(Question)], Greedy);

        Assert.Contains("Paris", answer.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(answer.Usage.InputTokenCount + answer.Usage.OutputTokenCount, answer.Usage.TotalTokenCount);
    }

    [Fact]
    public async Task DotNet_StreamsWhatItChats()
    {
        ChatCompletion answer = await Chat.CompleteChatAsync([new UserChatMessage(Question)], Greedy);
        var streamed = new StringBuilder();
        ChatFinishReason? reason = null;
        await foreach (StreamingChatCompletionUpdate update in Chat.CompleteChatStreamingAsync([new UserChatMessage(Question)], Greedy))
        {
            foreach (ChatMessageContentPart part in update.ContentUpdate) streamed.Append(part.Text);
            reason ??= update.FinishReason;
        }

        Assert.Equal(answer.Content[0].Text, streamed.ToString());
        Assert.Equal(ChatFinishReason.Stop, reason);
    }

    [Fact]
    public async Task Npm_ListsChatsAndStreams()
    {
        string clients = Path.Combine(Fixtures.RepositoryRoot, "tests", "clients");
        Assert.SkipUnless(Directory.Exists(Path.Combine(clients, "node_modules", "openai")),
            "the npm package openai is not installed: npm ci --prefix tests/clients");

        JsonElement seen = JsonDocument.Parse(await RunNodeAsync(clients, "openai.mjs", server.BaseUrl.ToString())).RootElement;

        Assert.Equal("smollm2", seen.GetProperty("models")[0].GetString());
        Assert.Contains("Paris", seen.GetProperty("content").GetString());
        Assert.Equal(seen.GetProperty("content").GetString(), seen.GetProperty("streamed").GetString());
        Assert.Equal("stop", seen.GetProperty("finishReason").GetString());
        Assert.Contains("Paris", seen.GetProperty("completion").GetString());
        Assert.Equal(404, seen.GetProperty("error").GetProperty("status").GetInt32());
        JsonElement usage = seen.GetProperty("usage");
        Assert.Equal(usage[0].GetProperty("total_tokens").GetInt32(), usage[1].GetProperty("total_tokens").GetInt32());
    }

    ChatClient Chat => _client.GetChatClient("smollm2");

    static ChatCompletionOptions Greedy => new() { Temperature = 0, MaxOutputTokenCount = 16 };

    static async Task<string> RunNodeAsync(string folder, string script, string argument)
    {
        using Process node = Process.Start(new ProcessStartInfo("node", [script, argument])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = node.StandardError.ReadToEndAsync();
        string output = await node.StandardOutput.ReadToEndAsync();
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, await errors);
        return output;
    }
}
