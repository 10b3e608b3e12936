using System.Text;
using System.Text.RegularExpressions;
using Vllm.Server.Protocol;

namespace Vllm.Server.Requests;

/// <summary>Finds the first fault of a JSON text with the words and the position that Python's parser reports, which
/// vLLM passes on to the client.</summary>
sealed partial class JsonSyntax
{
    readonly string _text;
    readonly int _maxDepth;
    readonly List<(int Start, int Length)> _nonFinite = [];
    int _position;
    int _depth;

    JsonSyntax(string text, int maxDepth)
    {
        _text = text;
        _maxDepth = maxDepth;
    }

    char Current => _position < _text.Length ? _text[_position] : '\0';

    /// <summary>The text with NaN and Infinity, which Python takes, put into quotes.</summary>
    /// <exception cref="RequestException">The text is not JSON.</exception>
    /// <exception cref="UnreadableBodyException">Nested more than <paramref name="maxDepth"/> deep.</exception>
    public static string Check(string text, int maxDepth)
    {
        var syntax = new JsonSyntax(text, maxDepth);
        syntax.SkipSpace();
        syntax.Value();
        syntax.SkipSpace();
        if (syntax._position < text.Length) throw Fault("Extra data", syntax._position);
        return syntax.QuoteNonFinite();
    }

    string QuoteNonFinite()
    {
        var result = new StringBuilder();
        int end = 0;
        foreach ((int start, int length) in _nonFinite)
        {
            result.Append(_text, end, start - end).Append('"').Append(_text, start, length).Append('"');
            end = start + length;
        }
        return result.Append(_text, end, _text.Length - end).ToString();
    }

    void Value()
    {
        if (++_depth > _maxDepth) throw new UnreadableBodyException();
        switch (Current)
        {
            case '"': String(); break;
            case '{': Object(); break;
            case '[': Array(); break;
            default: Scalar(); break;
        }
        _depth--;
    }

    void Object()
    {
        _position++;
        SkipSpace();
        if (TryTake('}')) return;
        while (true)
        {
            if (Current != '"') throw Fault("Expecting property name enclosed in double quotes", _position);
            String();
            SkipSpace();
            if (!TryTake(':')) throw Fault("Expecting ':' delimiter", _position);
            SkipSpace();
            Value();
            SkipSpace();
            if (TryTake('}')) return;
            if (!TryTake(',')) throw Fault("Expecting ',' delimiter", _position);
            SkipSpace();
        }
    }

    void Array()
    {
        _position++;
        SkipSpace();
        if (TryTake(']')) return;
        while (true)
        {
            Value();
            SkipSpace();
            if (TryTake(']')) return;
            if (!TryTake(',')) throw Fault("Expecting ',' delimiter", _position);
            SkipSpace();
        }
    }

    void String()
    {
        int start = _position++;
        while (true)
        {
            if (_position >= _text.Length) throw Fault("Unterminated string starting at", start);
            char c = _text[_position++];
            if (c == '"') return;
            if (c < ' ') throw Fault("Invalid control character at", _position - 1);
            if (c == '\\') Escape(start);
        }
    }

    void Escape(int start)
    {
        if (_position >= _text.Length) throw Fault("Unterminated string starting at", start);
        char c = _text[_position++];
        if (c == 'u')
        {
            bool isHex = _position + 4 <= _text.Length && _text.AsSpan(_position, 4).IndexOfAnyExcept(Hex) < 0;
            if (!isHex) throw Fault("Invalid \\uXXXX escape", _position);
            _position += 4;
        }
        else if (!"\"\\/bfnrt".Contains(c))
        {
            throw Fault("Invalid \\escape", _position - 2);
        }
    }

    static readonly System.Buffers.SearchValues<char> Hex = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");

    void Scalar()
    {
        ReadOnlySpan<char> rest = _text.AsSpan(_position);
        foreach (string word in (ReadOnlySpan<string>)["null", "true", "false", "NaN", "Infinity", "-Infinity"])
        {
            if (!rest.StartsWith(word)) continue;
            if (word[0] is 'N' or 'I' or '-') _nonFinite.Add((_position, word.Length));
            _position += word.Length;
            return;
        }
        foreach (ValueMatch number in Number().EnumerateMatches(rest))
        {
            _position += number.Length;
            return;
        }
        throw Fault("Expecting value", _position);
    }

    [GeneratedRegex(@"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")]
    private static partial Regex Number();

    void SkipSpace()
    {
        while (Current is ' ' or '\t' or '\n' or '\r') _position++;
    }

    bool TryTake(char c)
    {
        if (_position >= _text.Length || _text[_position] != c) return false;
        _position++;
        return true;
    }

    static RequestException Fault(string message, int position)
    {
        var errors = new ValidationErrors();
        errors.Add("json_invalid", $"body.{position}", "JSON decode error", "<dict of 0 items>",
            $"{{'error': {PythonText.Quote(message)}}}");
        return new RequestException(errors.ToApiError());
    }
}
