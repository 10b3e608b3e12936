using Vllm.Cli.CommandLine;
using Vllm.Cli.Text;

namespace Vllm.Cli;

/// <summary><c>vllm chat</c>: a conversation on the terminal.</summary>
static class ChatCommand
{
    public static Command<ClientArguments> Command { get; } = new(
        "chat", "Talks with a model on the terminal.", ClientArguments.Default,
        ClientArguments.Table()
            .Value("--system-prompt", ValueTypes.OptionalText("TEXT"),
                args => args.SystemPrompt, (args, v) => args with { SystemPrompt = v },
                "What the model is told before the conversation.")
            .IncludeEngine().Options,
        RunAsync,
        new("MODEL",
            "A GGUF file, or a folder with a Hugging Face checkpoint. "
            + "Without one the embedded SmolLM2-135M-Instruct answers.",
            (args, model) => args with { Engine = args.Engine with { Model = model } }));

    static async Task<int> RunAsync(ClientArguments arguments)
    {
        await using ITextSource source = await arguments.OpenAsync();
        var session = new ChatSession(source, arguments);
        if (arguments.Quick is { } text) await session.AnswerAsync(text, CancellationToken.None);
        else await session.RunAsync();
        return 0;
    }
}
