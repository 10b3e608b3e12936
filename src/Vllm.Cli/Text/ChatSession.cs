namespace Vllm.Cli.Text;

/// <summary>A conversation: what was said, and the commands that begin with a slash.</summary>
sealed class ChatSession
{
    const string Hint = "/help tells what can be typed; Ctrl-C stops an answer, /exit ends.";

    const string Help = """
        /reset          begins a new conversation
        /system TEXT    instructs the model and begins anew; without TEXT it shows the instruction
        /exit           ends, as does Ctrl-D
        A line that ends with \ goes on in the next one; what begins with three quotes ends with three quotes.
        Ctrl-C stops an answer. Up and down recall what was typed.
        """;

    readonly ITextSource _source;
    readonly AnswerPrinter _printer;
    readonly List<ChatMessage> _messages = [];
    string? _system;
    CancellationTokenSource? _answering;
    bool _isWarned;

    public ChatSession(ITextSource source, ClientArguments arguments)
    {
        _source = source;
        _system = arguments.SystemPrompt;
        bool isConversation = !Console.IsInputRedirected && arguments.Quick is null;
        _printer = new AnswerPrinter(arguments.Stats || isConversation, IsStyledTerminal());
    }

    /// <summary>Until <c>/exit</c> or the end of the input.</summary>
    public async Task RunAsync()
    {
        Console.CancelKeyPress += OnInterrupt;
        Console.Error.WriteLine(Hint);
        var reader = new MessageReader(Console.IsInputRedirected ? ReadPlainLine : new LineEditor().ReadLine);
        while (reader.Read() is { } text)
        {
            _isWarned = false;
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
        string answer = await _printer.PrintAsync(token => _source.ChatAsync(conversation, token), cancellationToken);
        _messages.Add(question);
        _messages.Add(new ChatMessage("assistant", answer));
    }

    /// <summary>The convention of no-color.org, and terminals that have no styles.</summary>
    static bool IsStyledTerminal() =>
        !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb"
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    static string? ReadPlainLine(string prompt)
    {
        Console.Error.Write(prompt);
        return Console.In.ReadLine();
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

    /// <summary>Stops an answer. At the prompt the first one warns and the second one ends the program.</summary>
    void OnInterrupt(object? sender, ConsoleCancelEventArgs pressed)
    {
        if (_answering is { } answering)
        {
            pressed.Cancel = true;
            answering.Cancel();
        }
        else if (!_isWarned)
        {
            pressed.Cancel = true;
            _isWarned = true;
            Console.Error.Write("\n(Ctrl-C again or /exit ends)\n> ");
        }
    }

    void Obey(string command)
    {
        string name = command.Split(' ')[0];
        string text = command[name.Length..].Trim();
        switch (name)
        {
            case "/reset":
                _messages.Clear();
                break;
            case "/system" when text.Length == 0:
                Console.Error.WriteLine(_system ?? "(no instruction)");
                break;
            case "/system":
                _system = text;
                _messages.Clear();
                break;
            case "/help" or "/?":
                Console.Error.WriteLine(Help);
                break;
            default:
                Console.Error.WriteLine($"There is no command {name}.\n{Help}");
                break;
        }
    }
}
