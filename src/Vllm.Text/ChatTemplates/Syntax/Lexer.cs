using Vllm.Text.ChatTemplates.Values;

namespace Vllm.Text.ChatTemplates.Syntax;

/// <summary>
/// Splits a template into tokens as Jinja does with <c>trim_blocks</c> and <c>lstrip_blocks</c> on: the newline after a
/// block or comment tag goes, and so does white space between the start of a line and such a tag, unless the tag begins
/// or ends with <c>+</c>; <c>-</c> takes all white space on its side.
/// </summary>
sealed class Lexer
{
    readonly string _source;
    readonly Stack<char> _brackets = new();
    int _position;
    int _line = 1;
    bool _lineStarting = true; // the text that follows begins a line of the source

    public Lexer(string source)
    {
        string normalized = NormalizeNewlines(source);
        _source = normalized.EndsWith('\n') ? normalized[..^1] : normalized;
    }

    public static string NormalizeNewlines(string text) =>
        text.Contains('\r') ? text.Replace("\r\n", "\n").Replace('\r', '\n') : text;

    /// <summary>The tokens, made while they are asked for: an error of the parser comes before one further
    /// down.</summary>
    public IEnumerable<Token> Tokenize()
    {
        while (_position < _source.Length)
        {
            int tag = FindTag();
            if (tag < 0)
            {
                yield return new Token(TokenKind.Data, _source[_position..], _line);
                break;
            }
            char kind = _source[tag + 1];
            int rawEnd = kind == '%' ? MatchRawBegin(tag) : -1;
            char sign = SignAt(tag + 2);
            string text = StripBeforeTag(_source[_position..tag], sign, isVariable: kind == '{');
            if (text.Length > 0) yield return new Token(TokenKind.Data, text, _line);
            Advance(rawEnd >= 0 ? rawEnd : tag + (sign == '\0' ? 2 : 3));
            if (rawEnd >= 0)
            {
                string raw = ReadRaw(out int rawLine);
                if (raw.Length > 0) yield return new Token(TokenKind.Data, raw, rawLine);
                continue;
            }
            if (kind == '#')
            {
                SkipComment();
                continue;
            }

            bool isBlock = kind == '%';
            yield return new Token(isBlock ? TokenKind.BlockBegin : TokenKind.VariableBegin, "", _line);
            while (true)
            {
                int end = _brackets.Count == 0 ? MatchTagEnd(_position, isBlock ? '%' : '}', trimNewline: isBlock) : -1;
                if (end >= 0)
                {
                    yield return new Token(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, "", _line);
                    Advance(end);
                    break;
                }
                while (_position < _source.Length && PyChar.IsSpace(_source[_position])) Advance(_position + 1);
                if (_position >= _source.Length) yield break;
                end = _brackets.Count == 0 ? MatchTagEnd(_position, isBlock ? '%' : '}', trimNewline: isBlock) : -1;
                if (end >= 0) continue;
                yield return ReadToken();
            }
        }
    }

    int FindTag()
    {
        for (int i = _position; ; i++)
        {
            i = _source.IndexOf('{', i);
            if (i < 0 || i + 1 >= _source.Length) return -1;
            if (_source[i + 1] is '{' or '%' or '#') return i;
        }
    }

    char SignAt(int index) => index < _source.Length && _source[index] is '-' or '+' ? _source[index] : '\0';

    string StripBeforeTag(string text, char sign, bool isVariable)
    {
        if (sign == '-') return PyChar.TrimEnd(text);
        if (sign == '+' || isVariable) return text;
        int lineStart = text.LastIndexOf('\n') + 1;
        if (lineStart == 0 && !_lineStarting) return text;
        for (int i = lineStart; i < text.Length; i++)
            if (!PyChar.IsSpace(text[i]))
                return text;
        return text[..lineStart];
    }

    /// <summary>Moves on, counting lines.</summary>
    void Advance(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        if (position > _position) _lineStarting = _source[position - 1] == '\n';
        _position = position;
    }

    int SkipSpace(int index)
    {
        while (index < _source.Length && PyChar.IsSpace(_source[index])) index++;
        return index;
    }

    bool Matches(int index, string text) => string.CompareOrdinal(_source, index, text, 0, text.Length) == 0;

    /// <summary>Where <c>{% raw %}</c> ends, or -1. Its newline stays: raw text is what stands between the
    /// tags.</summary>
    int MatchRawBegin(int tag)
    {
        int index = SkipSpace(tag + (SignAt(tag + 2) == '\0' ? 2 : 3));
        if (!Matches(index, "raw")) return -1;
        index = SkipSpace(index + 3);
        if (Matches(index, "-%}")) return SkipSpace(index + 3);
        return Matches(index, "%}") ? index + 2 : -1;
    }

    /// <summary>Where a tag's end that begins here ends, or -1. <paramref name="mark"/>: <c>%</c>, <c>}</c>,
    /// <c>#</c>.</summary>
    int MatchTagEnd(int index, char mark, bool trimNewline)
    {
        char sign = SignAt(index);
        int end = sign == '\0' ? index : index + 1;
        if (end + 1 >= _source.Length || _source[end] != mark || _source[end + 1] != '}') return -1;
        if (sign == '-') return SkipSpace(end + 2);
        if (sign == '+') return mark == '}' ? -1 : end + 2;
        return trimNewline && end + 2 < _source.Length && _source[end + 2] == '\n' ? end + 3 : end + 2;
    }

    void SkipComment()
    {
        if (_position >= _source.Length) return; // Jinja accepts a template that ends with the two characters {#
        for (int i = _position; i < _source.Length; i++)
        {
            int end = MatchTagEnd(i, '#', trimNewline: true);
            if (end < 0) continue;
            Advance(end);
            return;
        }
        throw Error.Syntax("Missing end of comment tag", _line);
    }

    string ReadRaw(out int line)
    {
        line = _line;
        for (int i = _position; i < _source.Length; i++)
        {
            i = _source.IndexOf("{%", i, StringComparison.Ordinal);
            if (i < 0) break;
            char sign = SignAt(i + 2);
            int index = SkipSpace(i + (sign == '\0' ? 2 : 3));
            if (!Matches(index, "endraw")) continue;
            int end = MatchTagEnd(SkipSpace(index + 6), '%', trimNewline: true);
            if (end < 0) continue;
            string text = StripBeforeTag(_source[_position..i], sign, isVariable: false);
            Advance(end);
            return text;
        }
        if (_position >= _source.Length) return "";
        throw Error.Syntax("Missing end of raw directive", _line);
    }

    Token ReadToken()
    {
        int start = _position, line = _line;
        char c = _source[start];
        if (NumberLiteral.TryRead(_source, start, out int end, out object? number))
        {
            Advance(end);
            return new Token(number is double ? TokenKind.Float : TokenKind.Integer, _source[start..end], line, number);
        }
        if (PyChar.IsWord(_source, start))
        {
            end = start;
            while (end < _source.Length && PyChar.IsWord(_source, end)) end += PyString.UnitsAt(_source, end);
            string name = _source[start..end];
            if (!PyChar.IsIdentifier(name)) throw Error.Syntax("Invalid character in identifier", line);
            Advance(end);
            return new Token(TokenKind.Name, name, line);
        }
        if (c is '"' or '\'' && StringLiteral.FindEnd(_source, start) is >= 0 and int close)
        {
            Advance(close + 1);
            return new Token(TokenKind.String, StringLiteral.Unescape(_source[(start + 1)..close], line), line);
        }
        foreach ((string text, TokenKind kind) in Token.Operators)
        {
            if (!Matches(start, text)) continue;
            TrackBracket(kind, c, line);
            Advance(start + text.Length);
            return new Token(kind, text, line);
        }
        throw Error.Syntax($"unexpected char {PyRepr.Repr(PyString.CodePointAt(_source, start))} at {start}", line);
    }

    void TrackBracket(TokenKind kind, char c, int line)
    {
        switch (kind)
        {
            case TokenKind.LBrace: _brackets.Push('}'); break;
            case TokenKind.LParen: _brackets.Push(')'); break;
            case TokenKind.LBracket: _brackets.Push(']'); break;
            case TokenKind.RBrace or TokenKind.RParen or TokenKind.RBracket:
                if (!_brackets.TryPop(out char expected)) throw Error.Syntax($"unexpected '{c}'", line);
                if (expected != c) throw Error.Syntax($"unexpected '{c}', expected '{expected}'", line);
                break;
        }
    }
}
