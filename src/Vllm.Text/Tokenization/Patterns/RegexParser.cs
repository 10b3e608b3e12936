using System.Globalization;
using System.Text;
using Vllm.Text.Tokenization.Unicode;

namespace Vllm.Text.Tokenization.Patterns;

/// <summary>
/// Reads regular expressions in Oniguruma's (Ruby) syntax, which covers what tokenizer files use. Captures are plain
/// groups: only whole matches matter. Back-references and conditionals are refused.
/// </summary>
ref struct RegexParser
{
    readonly string _pattern;
    readonly RegexFlavor _flavor;
    int _position;
    bool _ignoresCase;
    bool _dotMatchesBreak;
    bool _isExtended;

    RegexParser(string pattern, RegexFlavor flavor)
    {
        _pattern = pattern;
        _flavor = flavor;
    }

    /// <exception cref="FormatException">The pattern is malformed or uses an unsupported construct.</exception>
    public static RegexNode Parse(string pattern, RegexFlavor flavor)
    {
        var parser = new RegexParser(pattern, flavor);
        RegexNode node = parser.ParseChoice();
        if (!parser.AtEnd) throw parser.Error("unmatched ')'");
        return node;
    }

    readonly bool AtEnd => _position >= _pattern.Length;

    readonly char Current => AtEnd ? '\0' : _pattern[_position];

    RegexNode ParseChoice()
    {
        var options = new List<RegexNode> { ParseSequence() };
        while (TryTake('|')) options.Add(ParseSequence());
        return options.Count == 1 ? options[0] : new RegexNode.Choice(options);
    }

    RegexNode ParseSequence()
    {
        var items = new List<RegexNode>();
        while (!AtEnd && Current != '|' && Current != ')')
        {
            if (_isExtended && SkipIgnorable()) continue;
            if (ParseAtom() is { } atom) items.Add(ParseQuantifiers(atom));
        }
        return items.Count == 1 ? items[0] : new RegexNode.Sequence(items);
    }

    bool SkipIgnorable()
    {
        if (Current == '#')
        {
            while (!AtEnd && Current != '\n') _position++;
            return true;
        }
        if (!char.IsWhiteSpace(Current)) return false;
        _position++;
        return true;
    }

    RegexNode? ParseAtom()
    {
        switch (Current)
        {
            case '(': return ParseGroup();
            case '[': return MakeSet(ParseClass());
            case '\\': return ParseEscape();
            case '.':
                _position++;
                bool anything = _dotMatchesBreak;
                return new RegexNode.Set(CodePointSet.Of(c => anything || c != '\n'));
            case '^':
                _position++;
                return new RegexNode.Anchor(_flavor.LineAnchors ? RegexAnchor.LineStart : RegexAnchor.TextStart);
            case '$':
                _position++;
                return new RegexNode.Anchor(_flavor.LineAnchors ? RegexAnchor.LineEnd : RegexAnchor.TextEnd);
            case '*' or '+' or '?':
                throw Error("nothing to repeat");
            default:
                return MakeSet(CodePointSet.Of(TakeCodePoint()));
        }
    }

    readonly RegexNode MakeSet(CodePointSet set) => new RegexNode.Set(_ignoresCase ? set.IgnoringCase() : set);

    RegexNode ParseQuantifiers(RegexNode atom)
    {
        while (true)
        {
            int start = _position;
            if (!TryTakeBounds(out int min, out int max, out bool isInterval)) return atom;
            RepeatMode mode = RepeatMode.Greedy;
            if (TryTake('?')) mode = RepeatMode.Lazy;
            // Oniguruma's default syntax reads {n,m}+ as a repeated group, only ?+ *+ ++ as possessive.
            else if (!isInterval && TryTake('+')) mode = RepeatMode.Possessive;
            if (_position == start) return atom;
            atom = new RegexNode.Repeat(atom, min, max, mode);
        }
    }

    bool TryTakeBounds(out int min, out int max, out bool isInterval)
    {
        (min, max, isInterval) = (0, int.MaxValue, false);
        if (TryTake('*')) return true;
        if (TryTake('+'))
        {
            min = 1;
            return true;
        }
        if (TryTake('?'))
        {
            max = 1;
            return true;
        }
        if (Current != '{') return false;
        int close = _pattern.IndexOf('}', _position);
        if (close < 0) return false;
        string[] parts = _pattern[(_position + 1)..close].Split(',');
        bool hasMin = TryParseCount(parts[0], out min);
        bool hasMax = TryParseCount(parts[^1], out max);
        if (parts.Length > 2 || !(hasMin || hasMax) || !hasMin && parts[0].Length > 0
            || !hasMax && parts[^1].Length > 0)
            return false;
        if (!hasMax) max = int.MaxValue;
        if (max < min) throw Error("bounds of a repetition are reversed");
        _position = close + 1;
        isInterval = true;
        return true;
    }

    static bool TryParseCount(string text, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);

    RegexNode? ParseGroup()
    {
        _position++;
        bool ignoresCase = _ignoresCase, dotMatchesBreak = _dotMatchesBreak, isExtended = _isExtended;
        Func<RegexNode, RegexNode>? wrap = null;
        if (TryTake('?'))
        {
            if (TryTake("#"))
            {
                SkipPast(')');
                return null;
            }
            if (!TryTakeLook(ref wrap) && !TryTakeName() && !TryTake(':') && ParseOptions())
            {
                // (?i) holds to the end of the enclosing group.
                RegexNode rest = ParseChoice();
                (_ignoresCase, _dotMatchesBreak, _isExtended) = (ignoresCase, dotMatchesBreak, isExtended);
                return rest;
            }
        }
        RegexNode body = ParseChoice();
        if (!TryTake(')')) throw Error("missing ')'");
        (_ignoresCase, _dotMatchesBreak, _isExtended) = (ignoresCase, dotMatchesBreak, isExtended);
        return wrap is null ? body : wrap(body);
    }

    bool TryTakeLook(ref Func<RegexNode, RegexNode>? wrap)
    {
        if (TryTake("=")) wrap = b => new RegexNode.Look(b, Behind: false, Negative: false);
        else if (TryTake("!")) wrap = b => new RegexNode.Look(b, Behind: false, Negative: true);
        else if (TryTake("<=")) wrap = b => new RegexNode.Look(b, Behind: true, Negative: false);
        else if (TryTake("<!")) wrap = b => new RegexNode.Look(b, Behind: true, Negative: true);
        else if (TryTake(">")) wrap = b => new RegexNode.Atomic(b);
        return wrap is not null;
    }

    bool TryTakeName()
    {
        if (TryTake("P<") || TryTake("<")) SkipPast('>');
        else if (TryTake("'")) SkipPast('\'');
        else return false;
        return true;
    }

    /// <summary>Reads <c>i-m:</c> or <c>i)</c>; true for the second form.</summary>
    bool ParseOptions()
    {
        bool on = true;
        while (true)
        {
            if (AtEnd) throw Error("missing ')'");
            char option = _pattern[_position++];
            switch (option)
            {
                case '-': on = false; break;
                case 'i': _ignoresCase = on; break;
                case 'm' or 's': _dotMatchesBreak = on; break;
                case 'x': _isExtended = on; break;
                case 'u' or 'a' or 'W' or 'D' or 'S' or 'P': break;
                case ':': return false;
                case ')': return true;
                default: throw Error($"unknown option '{option}'");
            }
        }
    }

    RegexNode ParseEscape()
    {
        char letter = _position + 1 < _pattern.Length ? _pattern[_position + 1] : throw Error("'\\' at the end");
        RegexAnchor? anchor = letter switch
        {
            'A' => RegexAnchor.TextStart,
            'z' => RegexAnchor.TextEnd,
            'Z' => RegexAnchor.TextEndOrLastBreak,
            'b' => RegexAnchor.WordBoundary,
            'B' => RegexAnchor.NoWordBoundary,
            _ => null,
        };
        if (anchor is { } kind)
        {
            _position += 2;
            return new RegexNode.Anchor(kind);
        }
        if (letter is >= '1' and <= '9' or 'k' or 'g' or 'G' or 'X' or 'K')
            throw Error($"'\\{letter}' is not supported");
        if (letter == 'R')
        {
            _position += 2;
            return LineBreakNode();
        }
        _position++;
        return MakeSet(ParseEscapedSet(isInClass: false));
    }

    static RegexNode LineBreakNode()
    {
        var carriageReturnLineFeed = new RegexNode.Sequence(
            [new RegexNode.Set(CodePointSet.Of('\r')), new RegexNode.Set(CodePointSet.Of('\n'))]);
        var single = new RegexNode.Set(CodePointSet.Of(c => c is >= 0xA and <= 0xD or 0x85 or 0x2028 or 0x2029));
        return new RegexNode.Atomic(new RegexNode.Choice([carriageReturnLineFeed, single]));
    }

    /// <summary>A bracketed class, with nesting, ranges, POSIX names and <c>&amp;&amp;</c>.</summary>
    CodePointSet ParseClass()
    {
        _position++;
        bool isNegated = TryTake('^');
        CodePointSet? intersection = null;
        var members = new List<CodePointSet>();
        bool isFirst = true;
        while (true)
        {
            if (AtEnd) throw Error("missing ']'");
            if (Current == ']' && !isFirst) break;
            isFirst = false;
            if (TryTake("&&"))
            {
                intersection = Intersect(intersection, members);
                members = [];
            }
            else if (TryParsePosixName(out CodePointSet? named)) members.Add(named);
            else if (Current == '[') members.Add(ParseClass());
            else members.Add(ParseClassMember());
        }
        _position++;
        CodePointSet result = Intersect(intersection, members);
        // Case is ignored before the complement is taken: (?i)[^k] excludes K too.
        if (_ignoresCase && isNegated) result = result.IgnoringCase();
        return isNegated ? result.Not() : result;
    }

    static CodePointSet Intersect(CodePointSet? left, List<CodePointSet> members)
    {
        CodePointSet right = members.Count == 0 ? CodePointSet.Of(_ => false) : CodePointSet.Union(members);
        return left is null ? right : left.Intersect(right);
    }

    CodePointSet ParseClassMember()
    {
        int first;
        if (TryTake('\\'))
        {
            if (IsEscapedClass(Current)) return ParseEscapedSet(isInClass: true);
            first = ParseEscapedCodePoint(isInClass: true);
        }
        else first = TakeCodePoint();
        if (Current != '-' || _position + 1 >= _pattern.Length || _pattern[_position + 1] is ']' or '[')
            return CodePointSet.Of(first);

        int dash = _position++;
        if (Current == '\\' && IsEscapedClass(_pattern[Math.Min(_position + 1, _pattern.Length - 1)]))
        {
            _position = dash;
            return CodePointSet.Of(first);
        }
        int last = TryTake('\\') ? ParseEscapedCodePoint(isInClass: true) : TakeCodePoint();
        if (last < first) throw Error("a range in a class is reversed");
        return CodePointSet.Of(first, last);
    }

    bool TryParsePosixName([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CodePointSet? set)
    {
        set = null;
        if (!_pattern.AsSpan(_position).StartsWith("[:")) return false;
        int close = _pattern.IndexOf(":]", _position, StringComparison.Ordinal);
        if (close < 0) return false;
        string name = _pattern[(_position + 2)..close];
        bool isNegated = name.StartsWith('^');
        set = RegexProperties.FindPosix(isNegated ? name[1..] : name);
        if (set is null) return false;
        if (isNegated) set = set.Not();
        _position = close + 2;
        return true;
    }

    static bool IsEscapedClass(char letter) =>
        letter is 'p' or 'P' or 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'h' or 'H';

    /// <summary>What stands after a backslash, as a set.</summary>
    CodePointSet ParseEscapedSet(bool isInClass)
    {
        char letter = Current;
        CodePointSet? shorthand = char.ToLowerInvariant(letter) switch
        {
            'd' => _flavor.Digit,
            's' => _flavor.Space,
            'w' => _flavor.Word,
            'h' => CodePointSet.Of(c => c < 128 && char.IsAsciiHexDigit((char)c)),
            _ => null,
        };
        if (shorthand is not null)
        {
            _position++;
            return char.IsUpper(letter) ? shorthand.Not() : shorthand;
        }
        return letter is 'p' or 'P' ? ParseProperty() : CodePointSet.Of(ParseEscapedCodePoint(isInClass));
    }

    CodePointSet ParseProperty()
    {
        bool isNegated = _pattern[_position++] == 'P';
        string name;
        if (TryTake('{'))
        {
            int start = _position;
            SkipPast('}');
            name = _pattern[start..(_position - 1)];
        }
        else name = ((char)TakeCodePoint()).ToString();
        if (name.StartsWith('^')) (isNegated, name) = (!isNegated, name[1..]);
        CodePointSet set = RegexProperties.Find(name, _flavor) ?? throw Error($"unknown property '{name}'");
        return isNegated ? set.Not() : set;
    }

    int ParseEscapedCodePoint(bool isInClass)
    {
        int c = TakeCodePoint();
        return c switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            'a' => 7,
            'e' => 0x1B,
            'b' when isInClass => 8,
            '0' => TakeDigits(8, 2),
            'x' => TakeHex(),
            'u' => TakeDigits(16, 4),
            _ => c,
        };
    }

    int TakeHex()
    {
        if (!TryTake('{')) return TakeDigits(16, 2);
        int value = TakeDigits(16, 8);
        if (!TryTake('}')) throw Error("missing '}'");
        return value;
    }

    int TakeDigits(int radix, int limit)
    {
        int value = 0;
        for (int i = 0; i < limit && char.IsAsciiHexDigit(Current) && (radix == 16 || Current < '8'); i++)
            value = value * radix + Convert.ToInt32(_pattern[_position++].ToString(), 16);
        return value;
    }

    int TakeCodePoint()
    {
        if (AtEnd) throw Error("unexpected end");
        Rune.DecodeFromUtf16(_pattern.AsSpan(_position), out Rune rune, out int length);
        _position += length;
        return rune.Value;
    }

    bool TryTake(char expected)
    {
        if (AtEnd || Current != expected) return false;
        _position++;
        return true;
    }

    bool TryTake(string expected)
    {
        if (!_pattern.AsSpan(_position).StartsWith(expected)) return false;
        _position += expected.Length;
        return true;
    }

    void SkipPast(char expected)
    {
        int index = _pattern.IndexOf(expected, _position);
        if (index < 0) throw Error($"missing '{expected}'");
        _position = index + 1;
    }

    readonly FormatException Error(string problem) =>
        new($"regular expression: {problem} at {_position} in {_pattern}");
}
