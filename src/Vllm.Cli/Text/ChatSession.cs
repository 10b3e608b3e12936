using System.Text;

namespace Vllm.Cli.Text;

/// <summary>A conversation: what was said, and the commands that begin with a slash.</summary>
sealed class ChatSession(ITextSource source, ClientArguments arguments)
{
    const string Hint = "/reset begins anew, /system TEXT instructs the model, /exit ends; "
        + "a line that ends with \\ goes on; Ctrl-C stops an answer.";

    readonly AnswerPrinter _printer = new(arguments.Stats);
    readonly List<ChatMessage> _messages = [];
    string? _system = arguments.SystemPrompt;
    CancellationTokenSource? _answering;

    /// <summary>Until <c>/exit</c> or the end of the input.</summary>
    public async Task RunAsync()
    {
        Console.CancelKeyPress += (_, pressed) =>
        {
            pressed.Cancel = true;
            if (_answering is { } answering) answering.Cancel();
            else Console.Error.Write("\n(/exit ends)\n> ");
        };
        Console.Error.WriteLine(Hint);
        while (ReadMessage() is { } text)
        {
            if (text is "/exit" or "/quit") return;
            if (text.StartsWith('/')) Obey(text);
            else if (text.Length > 0) await AnswerInterruptiblyAsync(text);
        }
    }

    /// <summary>Adds the message and its answer to the conversation; neither, when answering fails.</summary>
    public async Task AnswerAsync(string text, CancellationToken cancellationToken)
    {
        IEnumerable<ChatMessage> system = _system is null ? [] : [new ChatMessage("system", _system)];
        var question = new ChatMessage("user", text);
        ChatMessage[] conversation = [.. system, .. _messages, question];
        string answer = await _printer.PrintAsync(token => source.ChatAsync(conversation, token), cancellationToken);
        _messages.Add(question);
        _messages.Add(new ChatMessage("assistant", answer));
    }

    async Task AnswerInterruptiblyAsync(string text)
    {
        using var answering = new CancellationTokenSource();
        _answering = answering;
        try
        {
            await AnswerAsync(text, answering.Token);
        }
        catch (Exception e) when (e is HttpRequestException or ArgumentException or InvalidOperationException)
        {
            Console.Error.WriteLine(e.Message); // too long, or the server is away: the conversation goes on
        }
        finally
        {
            _answering = null;
        }
    }

    void Obey(string command)
    {
        const string System = "/system ";
        if (command == "/reset")
        {
            _messages.Clear();
        }
        else if (command.StartsWith(System, StringComparison.Ordinal))
        {
            _system = command[System.Length..];
            _messages.Clear();
        }
        else
        {
            Console.Error.WriteLine(Hint);
        }
    }

    /// <summary>A line, with those that follow a trailing backslash; null at the end of the input.</summary>
    static string? ReadMessage()
    {
        var message = new StringBuilder();
        Console.Error.Write("> ");
        while (Console.In.ReadLine() is { } line)
        {
            if (!line.EndsWith('\\')) return message.Append(line).ToString().Trim();
            message.AppendLine(line[..^1]);
            Console.Error.Write(". ");
        }
        return null;
    }
}
