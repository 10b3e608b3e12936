using Vllm.Cli.CommandLine;
using Vllm.Cli.Text;

namespace Vllm.Cli;

/// <summary><c>vllm complete</c>: continues a text, from the command line, from a pipe or line by line.</summary>
static class CompleteCommand
{
    /// <summary>vLLM's client leaves it to the server, whose default of 16 shows little.</summary>
    const int DefaultMaxTokens = 128;

    public static Command<ClientArguments> Command { get; } = new(
        "complete", "Continues a text.", ClientArguments.Default with { MaxTokens = DefaultMaxTokens },
        ClientArguments.Table().IncludeEngine().Options,
        RunAsync,
        new("PROMPT", "The text to continue. Without it, what is piped in; on a terminal, line by line.",
            (args, prompt) => args with { Quick = prompt }));

    static async Task<int> RunAsync(ClientArguments arguments)
    {
        Task<ITextSource> opening = arguments.OpenAsync();
        string? prompt = arguments.Quick ?? (Console.IsInputRedirected ? await Console.In.ReadToEndAsync() : null);
        await using ITextSource source = await opening;
        var printer = new AnswerPrinter(arguments.Stats);
        if (prompt is not null)
        {
            await CompleteAsync(prompt);
            return 0;
        }
        while (true)
        {
            Console.Error.Write("> ");
            if (Console.In.ReadLine() is not { } line) return 0;
            if (line.Length > 0) await CompleteAsync(line);
        }

        Task<string> CompleteAsync(string text) =>
            printer.PrintAsync(token => source.CompleteAsync(text, token), CancellationToken.None);
    }
}
