namespace Vllm.Cli.Text;

/// <summary>Reads lines from a terminal, with editing and history. The line scrolls sideways where it is too
/// long.</summary>
sealed class LineEditor
{
    const int MaxHistory = 1000;

    /// <summary>For terminals that do not tell.</summary>
    const int UsualWidth = 80;

    readonly List<string> _history = [];

    /// <summary>Null at the end of the input, or when Ctrl-C is pressed twice.</summary>
    public string? ReadLine(string prompt)
    {
        bool wasInterrupted = false;
        Console.TreatControlCAsInput = true;
        try
        {
            while (true)
            {
                (LineState state, string text) = Edit(prompt);
                Console.Error.WriteLine();
                if (state == LineState.Finished) return Remember(text);
                if (state == LineState.EndOfInput || wasInterrupted) return null;
                wasInterrupted = text.Length == 0; // on a line with text, the first one only throws that away
                if (wasInterrupted) Console.Error.WriteLine("(Ctrl-C again or /exit ends)");
            }
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    (LineState State, string Text) Edit(string prompt)
    {
        var line = new LineBuffer(_history);
        LineState state = LineState.Editing;
        while (state == LineState.Editing)
        {
            Draw(prompt, line);
            state = line.Press(Console.ReadKey(intercept: true));
        }
        return (state, line.Text);
    }

    static void Draw(string prompt, LineBuffer line)
    {
        const string ClearToEnd = "\e[K";
        int promptWidth = CellWidth.Of(prompt);
        int width = Console.WindowWidth > promptWidth + 1 ? Console.WindowWidth : UsualWidth;
        (string visible, int column) = line.View(width - promptWidth - 1);
        column += promptWidth;
        string back = column > 0 ? $"\e[{column}C" : "";
        Console.Error.Write($"\r{prompt}{visible.Replace('\t', ' ')}{ClearToEnd}\r{back}");
    }

    string Remember(string text)
    {
        if (text.Length > 0 && (_history.Count == 0 || _history[^1] != text)) _history.Add(text);
        if (_history.Count > MaxHistory) _history.RemoveAt(0);
        return text;
    }
}
