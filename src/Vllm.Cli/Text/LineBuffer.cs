using System.Text;

namespace Vllm.Cli.Text;

/// <summary>What a key did to a line.</summary>
enum LineState
{
    Editing,
    Finished,

    /// <summary>Ctrl-D on an empty line.</summary>
    EndOfInput,

    /// <summary>Ctrl-C.</summary>
    Interrupted,
}

/// <summary>A line that is being typed, with the keys of readline and the lines typed before it.</summary>
sealed class LineBuffer(IReadOnlyList<string> history)
{
    readonly StringBuilder _text = new();
    int _historyIndex = history.Count;
    string _draft = "";

    public string Text => _text.ToString();

    /// <summary>Before which character the next one goes.</summary>
    public int Cursor { get; private set; }

    public LineState Press(ConsoleKeyInfo key)
    {
        if (key.Modifiers == ConsoleModifiers.Control) return PressControl(key.Key);
        switch (key.Key)
        {
            case ConsoleKey.Enter: return LineState.Finished;
            case ConsoleKey.Backspace: Delete(Previous(Cursor), Cursor); break;
            case ConsoleKey.Delete: Delete(Cursor, Next(Cursor)); break;
            case ConsoleKey.LeftArrow: Cursor = Previous(Cursor); break;
            case ConsoleKey.RightArrow: Cursor = Next(Cursor); break;
            case ConsoleKey.Home: Cursor = 0; break;
            case ConsoleKey.End: Cursor = _text.Length; break;
            case ConsoleKey.UpArrow: Recall(_historyIndex - 1); break;
            case ConsoleKey.DownArrow: Recall(_historyIndex + 1); break;
            default: Insert(key.KeyChar); break;
        }
        return LineState.Editing;
    }

    /// <summary>What of the line fits into a number of columns, and the cursor's column in that.</summary>
    public (string Visible, int Column) View(int numColumns)
    {
        int start = 0;
        while (CellWidth.Of(Text[start..Cursor]) >= numColumns) start = Next(start);
        int end = Cursor;
        while (end < _text.Length && CellWidth.Of(Text[start..Next(end)]) <= numColumns) end = Next(end);
        return (Text[start..end], CellWidth.Of(Text[start..Cursor]));
    }

    LineState PressControl(ConsoleKey key)
    {
        switch (key)
        {
            case ConsoleKey.C: return LineState.Interrupted;
            case ConsoleKey.D when _text.Length == 0: return LineState.EndOfInput;
            case ConsoleKey.D: Delete(Cursor, Next(Cursor)); break;
            case ConsoleKey.J or ConsoleKey.M: return LineState.Finished;
            case ConsoleKey.H: Delete(Previous(Cursor), Cursor); break;
            case ConsoleKey.A: Cursor = 0; break;
            case ConsoleKey.E: Cursor = _text.Length; break;
            case ConsoleKey.B: Cursor = Previous(Cursor); break;
            case ConsoleKey.F: Cursor = Next(Cursor); break;
            case ConsoleKey.K: Delete(Cursor, _text.Length); break;
            case ConsoleKey.U: Delete(0, Cursor); break;
            case ConsoleKey.W: Delete(WordStart(), Cursor); break;
            case ConsoleKey.P: Recall(_historyIndex - 1); break;
            case ConsoleKey.N: Recall(_historyIndex + 1); break;
        }
        return LineState.Editing;
    }

    void Insert(char c)
    {
        if (char.IsControl(c) && c != '\t') return;
        _text.Insert(Cursor++, c);
    }

    void Delete(int start, int end)
    {
        _text.Remove(start, end - start);
        Cursor = start;
    }

    /// <summary>Shows an earlier line; the newest place is the line that was being typed.</summary>
    void Recall(int index)
    {
        if (index < 0 || index > history.Count) return;
        if (_historyIndex == history.Count) _draft = Text;
        _historyIndex = index;
        _text.Clear().Append(index == history.Count ? _draft : history[index]);
        Cursor = _text.Length;
    }

    int WordStart()
    {
        int start = Cursor;
        while (start > 0 && char.IsWhiteSpace(_text[start - 1])) start--;
        while (start > 0 && !char.IsWhiteSpace(_text[start - 1])) start--;
        return start;
    }

    int Previous(int index) =>
        index < 2 ? 0 : index - (char.IsSurrogatePair(_text[index - 2], _text[index - 1]) ? 2 : 1);

    int Next(int index) => index >= _text.Length ? _text.Length
        : index + (index + 1 < _text.Length && char.IsSurrogatePair(_text[index], _text[index + 1]) ? 2 : 1);
}

/// <summary>Columns that text takes on a terminal.</summary>
static class CellWidth
{
    public static int Of(string text) => text.EnumerateRunes().Sum(Of);

    /// <summary>East Asian characters and emoji take two, marks that join the character before them none.</summary>
    static int Of(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.EnclosingMark
            or System.Globalization.UnicodeCategory.Format => 0,
        _ => rune.Value switch
        {
            < 0x1100 => 1,
            <= 0x115F or (>= 0x2E80 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF)
                or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6)
                or (>= 0x1F300 and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD) => 2,
            _ => 1,
        },
    };
}
