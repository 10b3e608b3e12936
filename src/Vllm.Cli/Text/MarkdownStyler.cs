using System.Text;

namespace Vllm.Cli.Text;

/// <summary>Turns the marks of Markdown into a terminal's styles, as the text comes: headings and <c>**bold**</c> are
/// bold, code is coloured, list items get bullets. Everything else stays as it is. What a mark may begin with is held back
/// until the next characters decide.</summary>
sealed class MarkdownStyler
{
    const string Reset = "\e[0m";
    const string Bold = "\e[1m";
    const string Faint = "\e[2m";
    const string CodeColor = "\e[36m";
    const string Fence = "```";
    const int MaxHeadingLevel = 6;

    readonly StringBuilder _output = new();
    string _held = "";
    bool _isLineStart = true;
    bool _isFenced;
    bool _isHeading;
    bool _isBold;
    bool _isCode;

    /// <summary>What can be shown now that <paramref name="piece"/> has come.</summary>
    public string Push(string piece) => Advance(_held + piece, isFinal: false);

    /// <summary>The rest; ends all styles.</summary>
    public string Finish()
    {
        string rest = Advance(_held, isFinal: true);
        return _isHeading || _isBold || _isCode || _isFenced ? rest + Reset : rest;
    }

    string Advance(string text, bool isFinal)
    {
        _output.Clear();
        int position = 0;
        while (position < text.Length)
        {
            ReadOnlySpan<char> rest = text.AsSpan(position);
            int length = _isLineStart ? TakeLineStart(rest, isFinal) : TakeInline(rest, isFinal);
            if (length < 0) break; // undecided
            position += length;
        }
        _held = text[position..];
        return _output.ToString();
    }

    /// <summary>Returns the characters taken; -1 = undecided. 0 only ends the line's start.</summary>
    int TakeLineStart(ReadOnlySpan<char> text, bool isFinal)
    {
        int indent = text.IndexOfAnyExcept(' ');
        if (indent < 0) indent = text.Length;
        ReadOnlySpan<char> rest = text[indent..];
        if (!isFinal && IsPossibleMark(rest)) return -1;
        if (rest.StartsWith(Fence)) return TakeFence(text);
        _isLineStart = false;
        if (_isFenced) return 0;

        int level = rest.IndexOfAnyExcept('#');
        if (level is > 0 and <= MaxHeadingLevel && rest[level] == ' ')
        {
            _isHeading = true;
            WriteStyle();
            return indent + level + 1;
        }
        if (rest is ['-' or '*' or '+', ' ', ..])
        {
            _output.Append(' ', indent).Append("• ");
            return indent + 2;
        }
        return 0;
    }

    /// <summary>Whether more characters are needed to tell what a line begins with.</summary>
    bool IsPossibleMark(ReadOnlySpan<char> rest) =>
        rest.IsEmpty
        || (rest.StartsWith(Fence) && !rest.Contains('\n'))
        || (rest.Length < Fence.Length && rest.IndexOfAnyExcept('`') < 0)
        || (!_isFenced && rest.Length <= MaxHeadingLevel && rest.IndexOfAnyExcept('#') < 0)
        || (!_isFenced && rest is ['-' or '*' or '+']);

    int TakeFence(ReadOnlySpan<char> text)
    {
        int end = text.IndexOf('\n');
        if (end < 0) end = text.Length;
        _isFenced = !_isFenced;
        _output.Append(Reset).Append(Faint).Append(text[..end]).Append(Reset);
        if (_isFenced) _output.Append(CodeColor);
        if (end < text.Length) _output.Append('\n');
        return Math.Min(end + 1, text.Length);
    }

    int TakeInline(ReadOnlySpan<char> text, bool isFinal)
    {
        if (text[0] == '\n') return EndLine();
        if (!_isFenced && text[0] == '`') return Toggle(ref _isCode, 1);
        if (!_isFenced && !_isCode && text[0] == '*')
        {
            if (!isFinal && (text.Length < 2 || (text[1] == '*' && text.Length < 3))) return -1;
            bool isMark = text is ['*', '*', ..] && (_isBold || (text.Length > 2 && !char.IsWhiteSpace(text[2])));
            if (isMark) return Toggle(ref _isBold, 2);
        }
        _output.Append(text[0]);
        return 1;
    }

    int Toggle(ref bool style, int length)
    {
        style = !style;
        WriteStyle();
        return length;
    }

    /// <summary>A mark that was never closed ends with its line.</summary>
    int EndLine()
    {
        if (_isHeading || _isBold || _isCode)
        {
            _isHeading = _isBold = _isCode = false;
            _output.Append(Reset);
        }
        _output.Append('\n');
        _isLineStart = true;
        return 1;
    }

    void WriteStyle()
    {
        _output.Append(Reset);
        if (_isHeading || _isBold) _output.Append(Bold);
        if (_isCode) _output.Append(CodeColor);
    }
}
